"""``influence plot``: runs in, a figure out."""

from __future__ import annotations

from pathlib import Path

import click

from influence.plots import PLOTS

__all__ = ["names", "plot"]


def names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Split names that are joined by commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _groups(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    groups: dict[str, str] = {}
    for text in texts:
        group, _, networks = text.partition("=")
        if not group or not networks:
            raise click.BadParameter(f"expected group=network,..., got {text!r}")
        groups |= dict.fromkeys(names(context, parameter, networks), group)
    return groups


@click.command()
@click.argument("kind", type=click.Choice(list(PLOTS)))
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".png, .pdf or .svg")
@click.option("--mute", help="Which mute; by default the first of the runs.")
@click.option("--metric", callback=names, help="Metrics, joined by commas.")
@click.option("--level", default="all", show_default=True, help="all, or a slice (class:floor).")
@click.option(
    "--directions",
    default="cross",
    show_default=True,
    type=click.Choice(["cross", "all"]),
    help="Leave out the influence of an input on the output of its name, or not.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    callback=_groups,
    metavar="NAME=NETWORK,...",
    help="Give networks a colour of their own; may be repeated.",
)
def plot(
    kind: str,
    runs: tuple[Path, ...],
    out: Path,
    mute: str | None,
    metric: tuple[str, ...],
    level: str,
    directions: str,
    groups: dict[str, str],
) -> None:
    """Draw a figure from the directories that measured runs were written to.

    KIND is performance: performance against influence, one point per network. RUN is a directory
    that `influence measure` wrote; of several the networks are drawn together.
    """
    from influence.plots import drawing_of
    from influence.plots.style import check_suffix, save_figure
    from influence.run_tables import read_tables

    check_suffix(out)
    figure = drawing_of(kind)(
        read_tables(runs, "influence"),
        read_tables(runs, "performance"),
        mute=mute,
        metric=metric,
        level=level,
        directions=directions,
        groups=groups,
    )
    save_figure(figure, out)
    click.echo(f"wrote {out}")
