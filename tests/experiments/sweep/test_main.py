from __future__ import annotations

from click.testing import CliRunner

from experiments.sweep.__main__ import steps
from experiments.sweep.study import Sweep


def test_every_step_has_its_help() -> None:
    for name in steps.commands:
        result = CliRunner().invoke(steps, [name, "--help"])
        assert result.exit_code == 0, name
        assert steps.commands[name].help


def test_all_does_only_what_is_not_done(sweep: Sweep) -> None:
    done = (sweep.run_folder(sweep.choose(())[0]) / "run.json").stat().st_mtime_ns
    context = steps.commands["all"].make_context("all", [], obj=sweep)
    with context:
        steps.commands["all"].invoke(context)
    assert (sweep.run_folder(sweep.choose(())[0]) / "run.json").stat().st_mtime_ns == done
    assert {path.name for path in sweep.reports.iterdir()} >= {
        "designs.csv",
        "influence.csv",
        "performance.csv",
        "run.json",
        "seeds.csv",
        "training.csv",
    }
