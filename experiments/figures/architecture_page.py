"""The tables on the page of the networks of different build, from committed CSVs alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.figures.architectures import direction_table
from influence.display.notation import display_of
from influence.display.table import MARKDOWN, format_table
from influence.display.tables.arrangement import records
from influence.display.tables.comparison import comparison_table
from influence.display.tables.performance import performance_table
from influence.errors import InfluenceError
from influence.metrics.registry import SETS
from influence.plan.conditions import NO_MUTE
from influence.results.tables import read_table

__all__ = ["page_blocks"]

COMPARED = ("delta_1", "sqr_rel", "pixel_accuracy", "mean_iou")
PUBLISHED = {
    printed: metric
    for part in (SETS["hybridnet"].values, SETS["hybridnet"].labels)
    for metric, printed in part.items()
}
"""What HybridNet's tables print -> the name of the metric."""


def page_blocks(reports: Path) -> dict[str, str]:
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
    for row in records(pd.read_csv(published / "arora_headline.csv", dtype=str)):
        own = shown[shown["network"] == f"fcrn-joint-{row.classes}"]
        values = {
            f"measured, {dataset.rpartition(', ')[2]}, %": _value(
                own[own["dataset"] == dataset], f"fcrn-joint-{row.classes}", "pixel_accuracy"
            )
            for dataset in dict.fromkeys(map(str, own["dataset"]))
        }
        printed = {"classes": row.classes, "printed, %": row.validation_accuracy_percent}
        rows.append(printed | values)
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
