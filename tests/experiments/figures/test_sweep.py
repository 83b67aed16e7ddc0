"""The sweep's figures and tables: each is written where its tables are, or a line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.figures.sweep import FIGURES, read_sweep, write_sweep
from experiments.publishing.files import TABLES, Output
from experiments.publishing.published import PUBLISHED
from influence.display.plots.style import FORMATS
from tests.experiments.publishing.sweep_tables import write_sweep_tables


def _lay_out(reports: Path) -> Path:
    (reports / "published").symlink_to(PUBLISHED)
    return write_sweep_tables(reports / "sweep")


def _write(reports: Path, formats: tuple[str, ...]) -> list[Path | str]:
    return list(write_sweep(read_sweep(reports), Output(formats)))


def test_all_figures_and_tables_are_written(tmp_path: Path) -> None:
    _lay_out(tmp_path)
    made = _write(tmp_path, (*FORMATS, *TABLES))
    figures = {f"{stem}.{suffix}" for stem in FIGURES for suffix in FORMATS}
    tables = {f"table{i}.{suffix}" for i in (1, 2, 3) for suffix in ("md", "tex")}
    assert {path.name for path in made if isinstance(path, Path)} == figures | tables
    assert all(isinstance(path, Path) and path.stat().st_size for path in made)


@pytest.mark.parametrize(
    ("gone", "lost"),
    [
        ("curves", {"figure8", "figure8_shuffle"}),
        ("interactions_seeds", {"interactions"}),
    ],
)
def test_a_figure_without_its_table_is_left_out(tmp_path: Path, gone: str, lost: set[str]) -> None:
    folder = _lay_out(tmp_path)
    (folder / f"{gone}.csv").unlink()
    made = _write(tmp_path, ("svg",))
    said = [line for line in made if isinstance(line, str)]
    assert said == [f"left out {folder / stem}: no {gone}.csv there" for stem in sorted(lost)]
    assert FIGURES.keys() - {path.stem for path in made if isinstance(path, Path)} == lost
