"""``influence gallery``: pictures of the samples that sources helped and hurt most in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo

__all__ = ["gallery"]


@click.command()
@click.argument("run", type=options.PATH)
@click.argument("more_checkpoints", nargs=-1, metavar="[FILE]...")
@options.checkpoint
@options.data
@options.network
@click.option("--mute", metavar="NAME", help="By default shuffle, else the first of the run.")
@click.option("--metric", multiple=True, metavar="NAME",
              help="Chooses samples; by default one metric for each target.")  # fmt: skip
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1),
              help="How many helped and how many hurt samples.")  # fmt: skip
@click.option("--own", is_flag=True, help="Include each source with the target of its name.")
@options.device
def gallery(
    run: Path,
    more_checkpoints: tuple[str, ...],
    ckpt: tuple[str, ...],
    data: str,
    **chosen: Any,
) -> None:
    """Save pictures of the samples that each source helped and hurt most in a run.

    RUN is a directory that `influence measure` wrote. The samples are run again, with nothing muted
    and with the source muted, and the pictures are written to RUN/gallery, which `influence report`
    shows. Further plain arguments are checkpoints too, so that `--ckpt *.pt2` works.
    """
    from influence.display.gallery import check_gallery, write_gallery

    check_gallery(run)
    networks = options.load_networks([*ckpt, *more_checkpoints], chosen)

    from influence.samples.rerun import gather_gallery

    found, notes = gather_gallery(run, networks, options.read_data(data), **chosen)
    for note in notes:
        echo(note, err=True)
    size = sum(map(len, found.images.values())) / 1000
    folder = write_gallery(run, found)
    echo(f"wrote {folder}: {len(found.rows)} rows, {len(found.images)} images, {size:.0f} kB")
