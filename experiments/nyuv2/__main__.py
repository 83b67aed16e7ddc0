"""`python -m experiments.nyuv2 STEP`: the paper's experiment on the images of NYU-Depth v2."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments.datasets.nyuv2 import open_nyuv2
from experiments.training.commands import run, study_commands
from experiments.training.configuration import read_settings
from experiments.training.study import Study

HERE = Path(__file__).resolve().parent


def open_study(*, data: str | None, work: Path | None) -> Study:
    """Read the settings; the images are looked for when a step needs them."""
    settings = read_settings(HERE / "study.toml")
    return Study(
        **vars(settings),
        open_split=partial(open_nyuv2, data, classes=settings.labels),
        work=work or Path("runs/nyuv2"),
        results=HERE,
        measured=Path("build/nyuv2"),
        reports=HERE.parents[1] / "reports" / "nyuv2",
    )


if __name__ == "__main__":
    run(study_commands(open_study, test_set=Path("test.h5"), compact=False))
