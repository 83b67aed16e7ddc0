"""``influence maps``: the pixels of chosen samples in which a source helps and hurts an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo

__all__ = ["maps"]


@click.command()
@click.option("--ckpt", metavar="FILE", help="The checkpoint.")
@options.data
@options.network
@click.option("--source", required=True, metavar="NAME", help="The site that is muted.")
@click.option("--target", required=True, metavar="NAME", help="The output that is compared.")
@click.option("--mute", required=True, metavar="NAME", help="What replaces the source.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="A sample; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), help="With --id: the seed of the run, else 0.")
@click.option("--limit", type=click.IntRange(min=1), help="With --id: the limit of the run.")
@click.option("--run", type=options.PATH, metavar="RUN",
              help="Instead of --id: the samples helped and hurt most in this run.")  # fmt: skip
@click.option("--top", type=click.IntRange(min=1),
              help="With --run: how many helped and how many hurt samples, else 4.")  # fmt: skip
@click.option("--metric", metavar="NAME", help="With --run: the metric that chooses samples.")
@options.device
@click.option("--out", type=options.PATH, help="Write the maps to this .h5 file.")
@click.option("--figure", type=options.PATH, help="Draw the maps: a .png, .pdf or .svg file.")
def maps(
    ckpt: str | None,
    data: str,
    source: str,
    target: str,
    mute: str,
    ids: tuple[str, ...],
    run: Path | None,
    device: str,
    out: Path | None,
    figure: Path | None,
    **asked: Any,
) -> None:
    """Map the pixels of samples in which a source helps or hurts an output.

    The samples are run with nothing muted and with the source muted, as in the measurement. For an
    output of labels, a pixel is 1 where only the prediction with nothing muted is right, and -1
    where only the muted one is. For values it is the absolute error of the muted prediction minus
    that of the prediction with nothing muted.
    """
    if bool(ids) == bool(run):
        raise click.UsageError("Give either --id or --run.")
    read = {name: asked.pop(name) for name in ("network", "weights_key", "trust")}
    given = {name: value for name, value in asked.items() if value is not None}
    for name in ("seed", "limit") if run else ("top", "metric"):
        if name in given:
            raise click.UsageError(f"--{name} does not go with {'--run' if run else '--id'}.")
    if not (out or figure):
        raise click.UsageError("Give --out, --figure, or both.")
    if out and out.suffix != ".h5":
        raise click.UsageError(f"--out takes a file name that ends in .h5, not {str(out)!r}.")

    from influence.display.plots.maps import draw_maps
    from influence.display.plots.style import check_suffix, save_figure
    from influence.results.sample_maps import write_maps
    from influence.samples.maps import Effect, map_samples
    from influence.samples.rerun import map_extremes

    for written in (out, figure):
        options.keep_inputs(written, (ckpt, data, run))
    if figure:
        check_suffix(figure)
    (net,) = options.load_networks([ckpt] if ckpt else [], read)
    dataset = options.read_data(data)
    effect = Effect(source, target, mute)
    if run:
        found = map_extremes(run, net, dataset, effect, device=device, **given)
    else:
        found = map_samples(net, dataset, ids, effect, device=device, **given)
    drawn = draw_maps(found) if figure else None
    if out:
        write_maps(out, found)
        echo(f"wrote {out}")
    if figure and drawn:
        save_figure(drawn, figure)
        echo(f"wrote {figure}")
