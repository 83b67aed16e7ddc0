"""`python -m experiments.figures`: every figure and table of `reports/`, from its CSVs alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd

from experiments.benchmarks.report import summary, write_report
from experiments.claims.report import blocks as claim_blocks
from experiments.figures.architecture_page import page_blocks
from experiments.figures.architectures import write_directions
from experiments.figures.beside import beside_published
from experiments.figures.published import write_published
from experiments.figures.quotes import write_quotes
from experiments.figures.readmes import write_blocks
from experiments.figures.studies import (
    STUDY_FIGURES,
    STUDY_TABLES,
    Study,
    read_study,
    save,
    write_table,
    write_verdicts,
)
from experiments.figures.sweep import write_sweep
from experiments.ground_truth.report import write_report as write_ground_truth
from influence.display.table import Table, format_table
from influence.display.tables.interactions import interactions_table
from influence.display.tables.omega import mutes_table, omega_table
from influence.errors import InfluenceError
from influence.results.tables import read_table

REPORTS = Path(__file__).parents[2] / "reports"
STUDIES = {"rooms": "make measure", "nyuv2": "python -m experiments.nyuv2 measure"}
NETWORKS_REMEDY = "`python -m experiments.networks measure` and `gather`"
SWEEP_REMEDY = "`python -m experiments.sweep gather`"
BESIDE_PUBLISHED = "nyuv2"
IN_README = "rooms"
IN_SWEEP = ("table1", "table2", "table3")


def write_all(reports: Path) -> Iterator[str]:
    """Write everything; yield a line for each file, and for each study that is not there."""
    write_published(reports / "published")
    published = read_study(reports / "published")
    assert published is not None, "write_published has just written it"
    yield from map(_wrote, _figures(published, reports / "published"))
    for name, command in STUDIES.items():
        folder = reports / name
        study = read_study(folder)
        if study is None:
            yield f"skipped {folder}: no influence.csv there; `{command}` writes it"
            continue
        yield from map(_wrote, _figures(study, folder))
        yield _wrote(write_verdicts(study, folder))
        for stem, make in STUDY_TABLES.items():
            for suffix in ("md", "tex"):
                yield _wrote(write_table(make(study), folder / f"{stem}.{suffix}"))
        if (folder / "README.md").exists():
            blocks = _tables(study)
            where = _where(study)
            if name == BESIDE_PUBLISHED:
                blocks = {
                    "published": beside_published(study, published),
                    "mutes": format_table(STUDY_TABLES["mutes"](study), "md"),
                    "interactions": format_table(_both_ways(study), "md"),
                }
                if (other := read_study(folder / "scaled_start")) is not None:
                    blocks["scaled_start"] = format_table(omega_table(other.influence), "md")
            yield _wrote(write_blocks(folder / "README.md", blocks | where))
        if name == IN_README and (reports.parent / "README.md").exists():
            judged = format_table(mutes_table(_cross(study), interval=False), "md")
            yield _wrote(write_blocks(reports.parent / "README.md", {"rooms": judged}))
    networks = reports / "networks"
    if (networks / "influence.csv").exists():
        yield from map(_wrote, write_directions(reports))
        if (networks / "README.md").exists():
            yield _wrote(write_blocks(networks / "README.md", page_blocks(reports)))
    else:
        yield f"skipped {networks}: no influence.csv there; {NETWORKS_REMEDY} writes it"
    yield from _sweep(reports, published)
    benchmarks = reports / "benchmarks"
    if (benchmarks / "rounds.csv").exists():
        yield from map(_wrote, write_report(benchmarks))
        if (reports.parent / "README.md").exists():
            block = {"benchmarks": summary(benchmarks)}
            yield _wrote(write_blocks(reports.parent / "README.md", block))
    else:
        yield f"skipped {benchmarks}: no rounds.csv there; `make bench` writes it"
    ground_truth = reports / "ground_truth"
    if (ground_truth / "coverage.csv").exists():
        yield from map(_wrote, write_ground_truth(ground_truth))
    else:
        yield f"skipped {ground_truth}: no coverage.csv there; `make ground-truth` writes it"
    yield from map(_wrote, filter(write_quotes, _readmes(reports)))


def _figures(study: Study, folder: Path) -> Iterator[Path]:
    for stem, draw in STUDY_FIGURES.items():
        if (figure := draw(study)) is not None:
            yield from save(figure, folder, stem)


def _sweep(reports: Path, published: Study) -> Iterator[str]:
    folder = reports / "sweep"
    if not (folder / "influence.csv").exists():
        yield f"skipped {folder}: no influence.csv there; {SWEEP_REMEDY} writes it"
        return
    study = read_study(folder)
    assert study is not None, "its influence.csv is there"
    networks = reports / "networks" / "performance.csv"
    others = read_table(networks, "performance") if networks.exists() else None
    printed = reports / "published"
    for made in write_sweep(folder, study, published, printed=printed, others=others):
        yield _wrote(made) if isinstance(made, Path) else made
    yield _wrote(write_verdicts(study, folder))
    if (folder / "README.md").exists():
        tables = {name: (folder / f"{name}.md").read_text("utf-8") for name in IN_SWEEP}
        yield _wrote(write_blocks(folder / "README.md", claim_blocks(folder) | tables))


def _readmes(reports: Path) -> list[Path]:
    """Return the READMEs of the project, whose prose may quote numbers."""
    root = reports.parent
    places = (root / "experiments").glob("*/README.md"), reports.glob("**/README.md")
    return sorted([*root.glob("README.md"), *places[0], *places[1]])


def _tables(study: Study) -> dict[str, str]:
    made = {stem: STUDY_TABLES[stem](study) for stem in ("mutes", "table1", "table3")}
    made["interactions"] = _both_ways(study)
    return {stem: format_table(table, "md") for stem, table in made.items()}


def _where(study: Study) -> dict[str, str]:
    """Return the influence by region and depth across modalities, if it was measured so."""
    if not study.influence["level"].str.startswith("region:").any():
        return {}
    table = omega_table(_cross(study), mute=["shuffle"], level="[dr]e*:*")
    return {"where": format_table(table, "md")}


def _cross(study: Study) -> pd.DataFrame:
    return study.influence[study.influence["source"] != study.influence["target"]]


def _both_ways(study: Study) -> Table:
    """Return the interactions under the mute that stays within the data, if there, for a page."""
    mutes = [mute for mute in ["shuffle"] if mute in set(study.interactions["mute"])]
    return interactions_table(study.interactions, mute=mutes)


def _wrote(path: Path) -> str:
    return f"wrote {path}"


@click.command()
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def figures(reports: Path) -> None:
    """Write the figures and tables of the reports from their CSVs alone."""
    try:
        for line in write_all(reports):
            click.echo(line)
    except InfluenceError as error:
        click.echo(f"figures: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    figures()
