"""The published tables: which rows they hold, and that each row stands as it was measured."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.training.commands import study_commands
from experiments.training.report_tables import publish_run, published_rows
from experiments.training.study import Study
from influence.errors import InfluenceError

REPORTS = Path(__file__).parents[3] / "reports"
TABLES = {
    "influence": """\
mute,source,target,metric,level,omega,unit
zero,depth,semantic,mean_iou,all,0.10,
zero,depth,semantic,mean_iou,"class:a, b",1e-05,
zero,depth,semantic,mean_iou,region:border,-0.0,
zero,depth,semantic,pixel_accuracy,all,0.30000000000000004,
zero,depth,semantic,pixel_accuracy,region:border,0.5,
zero,depth,depth,sqr_rel,all,2,m
zero,depth,depth,sqr_rel,depth:0-2,3.000,m
""",
    "performance": """\
mute,setup,target,metric,level,value
none,depth+semantic,depth,rms,all,0.5
none,depth+semantic,depth,rms,depth:0-2,NaN
none,depth+semantic,depth,sqr_rel,depth:0-2,
zero,semantic,depth,sqr_rel,all,0.25
zero,none,depth,sqr_rel,all,0.75
""",
    "interactions": """\
mute,target,metric,level,kind,players,value
zero,depth,sqr_rel,all,shapley,depth,0.50
zero,depth,sqr_rel,depth:0-2,shapley,depth,0.5
zero,depth,rms,all,shapley,depth,0.5
""",
    "distance": "mute,source,distance\nzero,depth,NA\nnoise,depth,1.50\n",
}
PUBLISHED = {
    "influence": [0, 1, 2, 3, 4, 6],
    "performance": [0, 1, 3],
    "interactions": [0, 1],
    "distance": [0, 1, 2],
}
"""The lines that are kept, the heading first."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "measured"
    folder.mkdir()
    for name, text in TABLES.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    (folder / "run.json").write_bytes(b'{"seed": 0}\n')
    (folder / "rows.h5").touch()
    return folder


def test_rows_are_published_to_the_byte(run: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    written = list(publish_run(run, reports))
    assert sorted(reports.iterdir()) == sorted(written)
    for name, kept in PUBLISHED.items():
        lines = TABLES[name].encode().splitlines(keepends=True)
        assert (reports / f"{name}.csv").read_bytes() == b"".join(lines[i] for i in kept)
    assert (reports / "run.json").read_bytes() == b'{"seed": 0}\n'


def test_a_table_that_the_run_does_not_have_is_not_published(run: Path, tmp_path: Path) -> None:
    (run / "interactions.csv").unlink()
    names = {path.name for path in publish_run(run, tmp_path / "reports")}
    assert names == {"influence.csv", "performance.csv", "distance.csv", "run.json"}


def test_without_a_run_nothing_is_written(run: Path, tmp_path: Path) -> None:
    (run / "run.json").unlink()
    with pytest.raises(InfluenceError, match=r"found no run\.json there\. Measure first"):
        list(publish_run(run, tmp_path / "reports"))
    assert not (tmp_path / "reports").exists()


def test_the_command_publishes_what_the_study_measured(run: Path, study: Study) -> None:
    run.rename(study.measured)
    steps = study_commands(lambda **_: study, test_set=Path("test.h5"), compact=True)
    result = CliRunner().invoke(steps, ["publish"], catch_exceptions=False)
    assert result.output.splitlines() == [
        str(study.reports / name) for name in (*(f"{table}.csv" for table in TABLES), "run.json")
    ]


@pytest.mark.parametrize("study_name", ["rooms", "nyuv2", "networks", "sweep"])
def test_what_is_committed_are_published_rows(study_name: str) -> None:
    """Read with the csv module alone; whoever adds rows adds to what every checkout carries."""
    found = [path for name in TABLES if (path := REPORTS / study_name / f"{name}.csv").exists()]
    assert len(found) >= 3
    for path in found:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                whole = row.get("level", "all") == "all"
                assert whole or row["metric"] in ("sqr_rel", "mean_iou"), (path, row)
                if "kind" in row:
                    assert whole
                    assert row["metric"] in ("sqr_rel", "mean_iou"), (path, row)
                elif "setup" in row:
                    assert row["mute"] == "none", (path, row)
                elif "level" in row:
                    assert whole or row["source"] != row["target"], (path, row)


def test_slices_are_published_of_the_papers_metrics_alone() -> None:
    table = pd.DataFrame(
        {
            "metric": ["rms", "rms", "sqr_rel"],
            "source": "depth",
            "target": "semantic",
            "level": ["all", "depth:0-2", "depth:0-2"],
        }
    )
    found = published_rows(table)[["metric", "level"]].to_numpy().tolist()
    assert found == [["rms", "all"], ["sqr_rel", "depth:0-2"]]
