"""`python -m experiments.nyuv2 STEP`: the paper's experiment on the images of NYU-Depth v2."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments.datasets.nyuv2 import open_nyuv2
from experiments.training.commands import run, study_commands
from experiments.training.study import Study

HERE = Path(__file__).resolve().parent


def open_study(*, data: str | None, work: Path | None) -> Study:
    """Describe the study; the images are looked for when a step needs them."""
    return Study(
        name="nyuv2",
        open_split=partial(open_nyuv2, data),
        work=work or Path("runs/nyuv2"),
        results=HERE,
        reports=HERE.parents[1] / "reports" / "nyuv2",
        trained_on="NYU-Depth v2, 795 official training images at 160x120",
    )


if __name__ == "__main__":
    run(study_commands(open_study, test_set=Path("test.h5"), compact=False))
