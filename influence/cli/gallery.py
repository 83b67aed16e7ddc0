"""``influence gallery``: pictures of the samples that sources helped and hurt most in a run."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["gallery"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("more_checkpoints", nargs=-1, metavar="[FILE]...")
@click.option("--ckpt", multiple=True, metavar="FILE", help="A checkpoint; may be repeated.")
@click.option(
    "--data", required=True, metavar="FILE", help="An evaluation file, or module:factory."
)
@click.option("--network", metavar="MODULE:FACTORY", help="Builds the network of a weights file.")
@click.option("--mute", metavar="NAME", help="By default shuffle, or else the first of the run.")
@click.option(
    "--metric", multiple=True, metavar="NAME", help="What chooses samples; by default one a target."
)
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(min=1), help="Samples a side."
)
@click.option("--own", is_flag=True, help="Also what a source does to the target of its name.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
def gallery(
    run: Path,
    more_checkpoints: tuple[str, ...],
    ckpt: tuple[str, ...],
    data: str,
    network: str | None,
    mute: str | None,
    metric: tuple[str, ...],
    top: int,
    own: bool,
    device: str,
) -> None:
    """Show the samples that each source helped and hurt most in a run: RUN/gallery.

    They are run again, with nothing muted and with the source muted. Further plain arguments are
    checkpoints too, so that `--ckpt *.pt2` works. The page of `influence report` shows the gallery.
    """
    paths = [*ckpt, *more_checkpoints]
    if not paths:
        raise click.UsageError("Missing option '--ckpt'.")

    from influence.display.gallery import write_gallery
    from influence.network.checkpoints import load_checkpoint
    from influence.runtime.factories import is_factory, make
    from influence.samples.gallery import gather_gallery

    found, notes = gather_gallery(
        run,
        [load_checkpoint(path, network) for path in paths],
        make(data) if is_factory(data) else data,
        mute=mute,
        metric=metric,
        top=top,
        own=own,
        device=device,
    )
    for note in notes:
        click.echo(note, err=True)
    size = sum(map(len, found.images.values())) / 1000
    folder = write_gallery(run, found)
    click.echo(f"wrote {folder}: {len(found.rows)} rows, {len(found.images)} images, {size:.0f} kB")
