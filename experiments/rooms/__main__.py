"""`python -m experiments.rooms STEP`: the same experiment on rendered rooms, and their making."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from experiments.datasets.sample import Sample
from experiments.publishing.commands import run
from experiments.rooms.render import RoomsFolder
from experiments.training.commands import study_commands
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


COLOURS = np.array(
    [(140, 100, 60), (150, 170, 200), (240, 240, 240), (200, 60, 60), (70, 160, 70)], np.uint8
)


def save_contact_sheet(path: Path, samples: Sequence[Sample], *, columns: int = 4) -> None:
    """Write a PNG with `columns` rooms per row, each as picture, depth (0.5 to 8 m) and classes."""
    rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
    tiles = [np.concatenate([_tile(sample) for sample in row], axis=1) for row in rows]
    Image.fromarray(np.concatenate(tiles)).save(path, optimize=True)


def _tile(sample: Sample) -> NDArray[np.uint8]:
    near = np.clip((sample.depth - 0.5) / 7.5, 0, 1)
    depth = (colormaps["magma_r"](near)[..., :3] * 255).astype(np.uint8)
    tile = np.concatenate([sample.rgb, depth, COLOURS[sample.labels]], axis=1)
    return np.pad(tile, ((0, 4), (0, 4), (0, 0)), constant_values=255)


COUNTS = {"train": 600, "test": 120}


@click.group()
def scenes() -> None:
    """Render the rooms and look at them."""


@scenes.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/rooms"))
@click.option("--processes", default=2, show_default=True)
def render(root: Path, processes: int) -> None:
    """Render 600 training and 120 test rooms at 160x120; resumes where it stopped."""
    from experiments.rooms.render import render_split

    for split, count in COUNTS.items():
        render_split(root, split, count, processes=processes)


@scenes.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/rooms"))
@click.option("--split", type=click.Choice([*COUNTS]), default="test", show_default=True)
@click.option("--count", default=20, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("experiments/rooms/scenes.png")
)
def sheet(root: Path, split: str, count: int, out: Path) -> None:
    """Draw the contact sheet of the first rooms of a split."""
    rooms = RoomsFolder(root, split)
    save_contact_sheet(out, [rooms[i] for i in range(min(count, len(rooms)))])


if __name__ == "__main__":
    # Not in the work folder: this evaluation file is the default data set and is published.
    steps = study_commands(open_study, test_set=HERE / "test.h5", compact=True)
    for command in scenes.commands.values():
        steps.add_command(command)
    run(steps)
