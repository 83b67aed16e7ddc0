"""The commands that make the scenes: `python -m experiments.rooms render` and `... sheet`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["scenes"]

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
    from experiments.datasets.rooms import RoomsFolder
    from experiments.rooms.contact_sheet import save_contact_sheet

    rooms = RoomsFolder(root, split)
    save_contact_sheet(out, [rooms[i] for i in range(min(count, len(rooms)))])
