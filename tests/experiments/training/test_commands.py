from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from experiments.publishing.commands import run
from experiments.training.commands import ASKED, study_commands
from experiments.training.joint import checkpoint_path, export_joint
from experiments.training.study import Study
from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from models.jrn import VARIANTS


def commands(study: Study) -> click.Group:
    def open_study(**_: Any) -> Study:
        return study

    return study_commands(open_study, test_set=Path("test.h5"), compact=True)


def call(study: Study, *arguments: str) -> str:
    result = CliRunner().invoke(commands(study), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_finished_steps_are_skipped(study: Study) -> None:
    output = call(study, "train-single-task", "--task", "depth")
    assert output.count("already trained") == 3
    assert "cat1: already trained" in call(study, "train-jrn", "--variant", "cat1")


def test_predict_and_evaluation_file_report_what_they_made(study: Study) -> None:
    output = call(study, "predict")
    assert "tiny train: 8 images" in output
    assert "tiny test: 3 images" in output
    assert str(study.work / "test.h5") in call(study, "evaluation-file")
    assert (study.work / "test.h5").is_file()


def test_there_is_one_command_per_step(study: Study) -> None:
    assert sorted(commands(study).commands) == [
        "evaluation-file",
        "export",
        "learn-optimal",
        "measure",
        "panels",
        "predict",
        "publish",
        "score-inputs",
        "train-jrn",
        "train-single-task",
    ]


def failing(error: Exception) -> click.Command:
    @click.command()
    def fail() -> None:
        raise error

    return fail


def test_a_users_mistake_is_a_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["study"])
    with pytest.raises(SystemExit) as stop:
        run(failing(InfluenceError("no images in the folder")))
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: no images in the folder\n"


def test_measure_calls_the_library_with_the_study_s_files(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr("influence.cli.main", called.append)
    call(study, "measure", "--limit", "2")
    (arguments,) = called
    assert arguments[0] == "measure"
    assert [Path(a).name for a in arguments[1:6]] == [f"jrn-{v}.pt2" for v in VARIANTS]
    assert arguments[-2:] == ["--limit", "2"]
    assert arguments[arguments.index("--out") + 1] == str(study.measured)
    assert arguments[arguments.index("--mute") + 1] == "panel"
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    assert all(option in makefile for option in ASKED)


def test_optimal_constants_go_into_the_published_checkpoint(study: Study) -> None:
    study = replace(study, variants=("cat1",))
    before = load_checkpoint(export_joint(study, "cat1"))
    call(study, "learn-optimal")
    after = load_checkpoint(checkpoint_path(study, "cat1"))
    assert [m.optimal for m in before.inputs] == [None, None]
    depth, semantic = (m.optimal for m in after.inputs)
    assert depth is not None
    assert depth[0] > 0
    assert semantic is not None
    assert sum(semantic) == pytest.approx(1.0)
    assert sorted(p.name for p in checkpoint_path(study, "cat1").parent.glob("*cat1*")) == [
        "jrn-cat1.pt2"
    ]
