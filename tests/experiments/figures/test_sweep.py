"""The sweep's figures and tables: each is written where its tables are, or a line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.figures.published import PUBLISHED
from experiments.figures.studies import read_study
from experiments.figures.sweep import FIGURES, write_sweep
from influence.display.plots.style import FORMATS
from tests.experiments.figures.sweep_tables import published_study, write_sweep_tables


def _write(folder: Path) -> list[Path | str]:
    study = read_study(folder)
    assert study is not None
    return list(write_sweep(folder, study, published_study(), printed=PUBLISHED, others=None))


def test_all_figures_and_tables_are_written(tmp_path: Path) -> None:
    made = _write(write_sweep_tables(tmp_path))
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
def test_a_figure_without_its_table_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, lost: set[str]
) -> None:
    write_sweep_tables(tmp_path)
    (tmp_path / f"{gone}.csv").unlink()
    monkeypatch.setattr("experiments.figures.sweep.save", lambda _, folder, stem: [folder / stem])
    made = _write(tmp_path)
    said = [line for line in made if isinstance(line, str)]
    assert said == [f"left out {tmp_path / stem}: no {gone}.csv there" for stem in sorted(lost)]
    assert FIGURES.keys() - {path.name for path in made if isinstance(path, Path)} == lost
