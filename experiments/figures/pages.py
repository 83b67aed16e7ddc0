"""The tables on the READMEs of the project, by the name of their block, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from experiments.benchmarks import report as benchmarks
from experiments.claims import report as claims
from experiments.figures.architectures import direction_table
from experiments.figures.sweep import read_sweep, sweep_tables
from experiments.ground_truth import report as ground_truth
from experiments.networks_of_users import report as networks_of_users
from experiments.publishing.pages import page_paths
from experiments.publishing.published import TABLE_I, TABLE_III
from experiments.publishing.studies import (
    MUTE,
    STUDY_TABLES,
    Study,
    in_order,
    paper_metrics,
    read_study,
)
from influence.display.notation import display_of
from influence.display.table import MARKDOWN, Table, format_table
from influence.display.tables.comparison import comparison_table
from influence.display.tables.interactions import interactions_table
from influence.display.tables.omega import mutes_table, omega_table
from influence.display.tables.performance import class_table, performance_table
from influence.errors import InfluenceError
from influence.metrics.sets import SETS
from influence.plan.setups import NO_MUTE
from influence.results.tables import read_table

__all__ = ["NEEDED", "blocks_of_pages", "network_blocks"]

COMPARED = ("delta_1", "sqr_rel", "pixel_accuracy", "mean_iou")
PUBLISHED = {
    printed: metric
    for part in (SETS["hybridnet"].values, SETS["hybridnet"].labels)
    for metric, printed in part.items()
}
"""What HybridNet's tables print -> the name of the metric."""


def network_blocks(reports: Path) -> dict[str, str]:
    """Make the blocks of ``reports/networks/README.md``: name -> Markdown."""
    folder = reports / "networks"
    performance = read_table(folder / "performance.csv", "performance")
    others = performance.loc[performance["level"] == "class:other", "network"].unique()
    arora = performance["network"].isin(others)
    return {
        "directions": format_table(direction_table(_read(folder / "directions.csv")), "md"),
        "performance": format_table(
            performance_table(performance[~arora], metric=list(PUBLISHED.values())), "md"
        ),
        "comparison": "\n".join(_comparisons(_read(folder / "comparison.csv"))),
        "arora": "\n".join(
            format_table(performance_table(own, metric=[*SETS["arora"].labels, "mean_iou"]), "md")
            for _, own in performance[arora].groupby(
                performance["network"].map(lambda name: _classes(performance, name)), sort=True
            )
        ),
        "published": _published(performance, reports / "published"),
    }


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InfluenceError(
            f"{path} is missing: `python -m experiments.networks gather` writes it"
        )
    return pd.read_csv(path, keep_default_na=False, na_values=[""])  # a network may be called NA


def _classes(performance: pd.DataFrame, network: str) -> int:
    own = performance[performance["network"] == network]
    return own.loc[own["level"].str.startswith("class:"), "level"].nunique()


def _comparisons(comparison: pd.DataFrame) -> list[str]:
    """Return one table a metric: networks of one name under two sources of the depth differ."""
    present = [metric for metric in COMPARED if metric in set(comparison["metric"])]
    return [format_table(comparison_table(comparison, metric=[one]), "md") for one in present]


def _published(performance: pd.DataFrame, published: Path) -> str:
    """Return what the papers print beside the same metrics of our networks, in Markdown."""
    shown = performance[(performance["mute"] == NO_MUTE) & (performance["level"] == "all")]
    tables = (_hybridnet(shown, published), _fcrn(shown, published), _arora(shown, published))
    return "\n\n".join(
        table.map(MARKDOWN.name).to_markdown(index=False, disable_numparse=True) for table in tables
    )


def _hybridnet(shown: pd.DataFrame, published: Path) -> pd.DataFrame:
    printed = _printed(published)
    ours = ("hybridnet", "depthnet", "deeplab-aspp")
    return pd.DataFrame(
        {"metric": words}
        | printed.loc[words].to_dict()
        | {network: _value(shown, network, metric) for network in ours}
        for words, metric in PUBLISHED.items()
    )


def _fcrn(shown: pd.DataFrame, published: Path) -> pd.DataFrame:
    """FCRN's three metrics of NYU-Depth v2: as its authors print them, and ours."""
    table = pd.read_csv(published / "fcrn_readme_nyu.csv", dtype=str).set_index("method")
    printed = table.loc["Laina et al. ResNet-UpProj"]
    metrics = {"rel": "abs_rel", "rms": "rms", "log10": "log10"}
    return pd.DataFrame(
        {"metric": words, "FCRN, printed": printed[words]}
        | {network: _value(shown, network, metric) for network in ("fcrn-joint", "fcrn-depth")}
        for words, metric in metrics.items()
    )


def _arora(shown: pd.DataFrame, published: Path) -> pd.DataFrame:
    """The accuracy of Arora et al. with all classes, as printed and ours with either depth."""
    rows = []
    for row in pd.read_csv(published / "arora_headline.csv", dtype=str).itertuples():
        own = shown[shown["network"] == f"fcrn-joint-{row.classes}"]
        values = {
            f"measured, {dataset.rpartition(', ')[2]}, %": _value(
                own[own["dataset"] == dataset], f"fcrn-joint-{row.classes}", "pixel_accuracy"
            )
            for dataset in dict.fromkeys(map(str, own["dataset"]))
        }
        printed = {"classes": row.classes, "printed, %": row.validation_accuracy_percent}
        rows.append({**printed, **values})
    return pd.DataFrame(rows).fillna("–")


def _value(shown: pd.DataFrame, network: str, metric: str) -> str:
    """Return one performance as tables show it; the first of several data sets."""
    own = shown[(shown["network"] == network) & (shown["metric"] == metric)]["value"]
    scale = display_of(metric)
    return f"{scale.factor * own.iloc[0]:.{scale.digits}f}" if len(own) else "–"


def _printed(published: Path) -> pd.DataFrame:
    """Return HybridNet's two tables as printed: metrics down, methods across."""
    first = pd.read_csv(published / "hybridnet_table1.csv", dtype=str).set_index("method")
    second = pd.read_csv(published / "hybridnet_table2.csv", dtype=str).set_index("metric")
    both = pd.concat(
        [
            second[["HybridNet", "DepthNet [8]"]],
            first.loc[["HybridNet", "DeepLab-ASPP [3]"], ["G", "C", "IoUclass"]].T,
        ]
    )
    return both.fillna("–").rename(columns=lambda name: f"{name}, printed (Cityscapes)")


Blocks = dict[str, str]

NEEDED: Mapping[str, tuple[str, str]] = {
    "rooms": ("influence.csv", "`make measure`"),
    "nyuv2": ("influence.csv", "`python -m experiments.nyuv2 measure`"),
    "networks": ("influence.csv", "`python -m experiments.networks measure` and `gather`"),
    "sweep": ("influence.csv", "`python -m experiments.sweep gather`"),
    "benchmarks": ("rounds.csv", "`make bench`"),
    "ground_truth": ("coverage.csv", "`make ground-truth`"),
    "networks_of_users": ("table.csv", "`python -m experiments.networks_of_users`"),
}
"""Folder of a report -> the CSV without which there is none, and the command that writes it."""


def blocks_of_pages(reports: Path) -> dict[Path, Blocks]:
    """Return the blocks of every README; those of reports that are not there are left out."""
    found: dict[Path, Blocks] = {path: {} for path in page_paths(reports)}
    for name, make in BLOCKS.items():
        page = reports / name / "README.md"
        if page in found and (reports / name / NEEDED[name][0]).exists():
            found[page] = make(reports)
    if (page := reports.parent / "README.md") in found:
        found[page] = _front_page(reports)
    return found


def _front_page(reports: Path) -> Blocks:
    blocks = {}
    if (reports / "rooms" / "influence.csv").exists():
        study = read_study(reports / "rooms")
        blocks["rooms"] = _markdown(mutes_table(_cross(study), interval=False))
    if (reports / "benchmarks" / "rounds.csv").exists():
        blocks["benchmarks"] = benchmarks.summary(reports / "benchmarks")
    return blocks


def _rooms(reports: Path) -> Blocks:
    study = read_study(reports / "rooms")
    blocks = {stem: _markdown(STUDY_TABLES[stem](study)) for stem in ("mutes", "table1", "table3")}
    return blocks | {"interactions": _interactions(study)} | _where(study)


def _nyuv2(reports: Path) -> Blocks:
    study = read_study(reports / "nyuv2")
    blocks = {
        "published": _beside_published(study, read_study(reports / "published")),
        "mutes": _markdown(STUDY_TABLES["mutes"](study)),
        "interactions": _interactions(study),
    }
    if (other := reports / "nyuv2" / "scaled_start").is_dir():
        blocks["scaled_start"] = _markdown(omega_table(read_study(other).influence))
    return blocks | _where(study)


def _sweep(reports: Path) -> Blocks:
    tables = {name: _markdown(table) for name, table in sweep_tables(read_sweep(reports)).items()}
    return claims.blocks(reports / "sweep") | tables


BLOCKS: Mapping[str, Callable[[Path], Blocks]] = {
    "rooms": _rooms,
    "nyuv2": _nyuv2,
    "networks": network_blocks,
    "sweep": _sweep,
    "benchmarks": lambda reports: benchmarks.blocks(reports / "benchmarks"),
    "ground_truth": lambda reports: ground_truth.blocks(reports / "ground_truth"),
    "networks_of_users": lambda reports: networks_of_users.blocks(reports / "networks_of_users"),
}
"""Folder of a report -> the blocks of its README, from the folder of all reports."""


def _beside_published(measured: Study, published: Study) -> str:
    """Return Table I, Table III and the omegas of Fig. 7: printed rows above measured ones."""

    def together(printed: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
        return in_order(pd.concat([printed, own], ignore_index=True))

    table1, table3 = (
        together(
            published.performance[published.performance["dataset"] == name], measured.performance
        )
        for name in (TABLE_I, TABLE_III)
    )
    omega = together(published.influence, measured.influence)
    sections = {
        "Table I": performance_table(table1, metric=paper_metrics(table1)),
        "Table III": class_table(table3, interval=True),
        "Influence (Fig. 7)": omega_table(omega[omega["source"] != omega["target"]]),
    }
    return "\n".join(f"### {title}\n\n{_markdown(table)}" for title, table in sections.items())


def _interactions(study: Study) -> str:
    """Return the interactions under the mute that stays within the data, if there."""
    mutes = [mute for mute in [MUTE] if mute in set(study.interactions["mute"])]
    return _markdown(interactions_table(study.interactions, mute=mutes))


def _where(study: Study) -> Blocks:
    """Return the influence by region and depth across modalities, if it was measured so."""
    if not study.influence["level"].str.startswith("region:").any():
        return {}
    return {"where": _markdown(omega_table(_cross(study), mute=[MUTE], level="[dr]e*:*"))}


def _cross(study: Study) -> pd.DataFrame:
    return study.influence[study.influence["source"] != study.influence["target"]]


def _markdown(table: Table) -> str:
    return format_table(table, "md")
