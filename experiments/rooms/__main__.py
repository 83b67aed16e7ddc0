"""`python -m experiments.rooms STEP`: the same experiment on rendered rooms."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments.datasets.rooms import RoomsFolder
from experiments.rooms.commands import scenes
from experiments.training.commands import run, study_commands
from experiments.training.configuration import read_settings
from experiments.training.study import Study

HERE = Path(__file__).resolve().parent


def open_study(*, data: str | None, work: Path | None) -> Study:
    """Read the settings; the images are looked for when a step needs them."""
    work = work or Path("runs/rooms")
    return Study(
        **vars(read_settings(HERE / "study.toml")),
        open_split=partial(RoomsFolder, data or work),
        work=work,
        results=HERE,
        measured=Path("build/rooms"),
        reports=HERE.parents[1] / "reports" / "rooms",
    )


if __name__ == "__main__":
    # Not in the work folder: this evaluation file is the default data set and is published.
    steps = study_commands(open_study, test_set=HERE / "test.h5", compact=True)
    for command in scenes.commands.values():
        steps.add_command(command)
    run(steps)
