"""``influence maps``: where in chosen samples a source helps and hurts."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["maps"]


@click.command()
@click.option("--ckpt", required=True, metavar="FILE", help="The checkpoint.")
@click.option(
    "--data", required=True, metavar="FILE", help="An evaluation file, or module:factory."
)
@click.option("--network", metavar="MODULE:FACTORY", help="Builds the network of a weights file.")
@click.option("--source", required=True, metavar="NAME", help="The site that is muted.")
@click.option("--target", required=True, metavar="NAME", help="The output that is looked at.")
@click.option("--mute", required=True, metavar="NAME", help="What replaces the source.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="A sample; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), help="With --id: of the measurement, else 0.")
@click.option("--limit", type=click.IntRange(min=1), help="With --id: of the measurement.")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="In place of --id: the samples that were helped and hurt most in this run.",
)
@click.option("--top", type=click.IntRange(min=1), help="With --run: how many a side, else 4.")
@click.option("--metric", metavar="NAME", help="With --run: what they are chosen by.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
@click.option("--out", type=click.Path(path_type=Path), help="The maps as numbers, a .h5 file.")
@click.option("--figure", type=click.Path(path_type=Path), help="A figure: .png, .pdf or .svg")
def maps(
    ckpt: str,
    data: str,
    network: str | None,
    source: str,
    target: str,
    mute: str,
    ids: tuple[str, ...],
    seed: int | None,
    limit: int | None,
    run: Path | None,
    top: int | None,
    metric: str | None,
    device: str,
    out: Path | None,
    figure: Path | None,
) -> None:
    """Map where in chosen samples a source helps and where it hurts an output.

    They are run with nothing muted and with the source muted, as in the measurement. Of labels,
    the map is 1 where only the first prediction is right and -1 where only the second is; of
    values it is the absolute error of the second less that of the first.
    """
    if bool(ids) == bool(run):
        raise click.UsageError("Give either --id or --run.")
    foreign = {"--seed": seed, "--limit": limit} if run else {"--top": top, "--metric": metric}
    for option, value in foreign.items():
        if value is not None:
            raise click.UsageError(f"{option} does not go with {'--run' if run else '--id'}.")
    if not (out or figure):
        raise click.UsageError("Give --out, --figure, or both.")
    if out and out.suffix != ".h5":
        raise click.UsageError(f"--out takes a file name that ends in .h5, not {str(out)!r}.")

    from influence.display.plots.maps import draw_maps
    from influence.display.plots.style import check_suffix, save_figure
    from influence.network.checkpoints import load_checkpoint
    from influence.results.sample_maps import write_maps
    from influence.runtime.factories import is_factory, make
    from influence.samples.maps import map_samples
    from influence.samples.rerun import map_extremes

    if figure:
        check_suffix(figure)
    net = load_checkpoint(ckpt, network)
    dataset = make(data) if is_factory(data) else data
    if run:
        found = map_extremes(
            run, net, dataset, source=source, target=target, mute=mute, metric=metric,
            top=top or 4, device=device,
        )  # fmt: skip
    else:
        found = map_samples(
            net, dataset, ids, source=source, target=target, mute=mute, seed=seed or 0,
            limit=limit, device=device,
        )  # fmt: skip
    drawn = draw_maps(found) if figure else None
    if out:
        write_maps(out, found)
        click.echo(f"wrote {out}")
    if figure and drawn:
        save_figure(drawn, figure)
        click.echo(f"wrote {figure}")
