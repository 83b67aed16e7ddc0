"""The tables on the READMEs of the project, by the name of their block, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from experiments.benchmarks import report as benchmarks
from experiments.claims import report as claims
from experiments.figures.architecture_page import page_blocks
from experiments.figures.sweep import read_sweep, sweep_tables
from experiments.ground_truth import report as ground_truth
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
from influence.table_formats import Table, format_table
from influence.tables import (
    class_table,
    interactions_table,
    mutes_table,
    omega_table,
    performance_table,
)

__all__ = ["NEEDED", "blocks_of_pages"]

Blocks = dict[str, str]

NEEDED: Mapping[str, tuple[str, str]] = {
    "rooms": ("influence.csv", "`make measure`"),
    "nyuv2": ("influence.csv", "`python -m experiments.nyuv2 measure`"),
    "networks": ("influence.csv", "`python -m experiments.networks measure` and `gather`"),
    "sweep": ("influence.csv", "`python -m experiments.sweep gather`"),
    "benchmarks": ("rounds.csv", "`make bench`"),
    "ground_truth": ("coverage.csv", "`make ground-truth`"),
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
    "networks": page_blocks,
    "sweep": _sweep,
    "benchmarks": lambda reports: benchmarks.blocks(reports / "benchmarks"),
    "ground_truth": lambda reports: ground_truth.blocks(reports / "ground_truth"),
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
