"""``influence plot``: runs in, a figure out."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from influence.display.plots import PLOTS

if TYPE_CHECKING:
    pass
from influence.cli.options import metric_names, read_seeds, split

__all__ = [
    "plot",
]


FRAMES = {"influence": False, "performance": False, "interactions": False, "distance": True}
"""Tables of a run that plots take by these names, and whether a run may lack them."""


def _groups(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    groups: dict[str, str] = {}
    for text in texts:
        group, _, networks = text.partition("=")
        if not group or not networks:
            raise click.BadParameter(f"expected group=network,..., got {text!r}")
        groups |= dict.fromkeys(split(networks), group)
    return groups


@click.command()
@click.argument("kind", type=click.Choice(list(PLOTS)))
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".png, .pdf or .svg")
@click.option("--mute", help="Which mute, by default the first; for mutes several, by commas.")
@click.option("--metric", callback=metric_names, help="Metrics, joined by commas.")
@click.option("--level", help="all, the default; a slice (class:floor); for slices 'class:*', too.")
@click.option(
    "--directions",
    type=click.Choice(["cross", "all"]),
    help="Leave out the influence of an input on the output of its name, the default, or not.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    callback=_groups,
    metavar="NAME=NETWORK,...",
    help="Give networks a colour of their own; may be repeated.",
)
def plot(kind: str, runs: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Draw a figure from the directories that measured runs were written to.

    KIND is performance: performance against influence, one point per network; mutes: omega under
    every mute, and whether they agree; matrix: what each source gives each target; interactions:
    what sources give alone and together; slices: omega class by class, and by depth or region; or
    seeds: several trainings of one network, and their mean. RUN is a directory that `influence
    measure` wrote; of several the networks are drawn together.
    """
    from influence.display.plots import drawing_of
    from influence.display.plots.style import check_suffix, save_figure
    from influence.results.tables import read_tables

    check_suffix(out)
    draw = drawing_of(kind)
    takes = signature(draw).parameters
    given = {name: value for name, value in options.items() if value}
    if "mutes" in takes and "mute" in given:
        given["mutes"] = split(given.pop("mute"))
    if foreign := sorted(given.keys() - takes.keys()):
        raise click.UsageError(f"the plot {kind} has no option --{foreign[0].removesuffix('s')}")
    frames = {
        name: read_tables(runs, name, optional=optional)
        for name, optional in FRAMES.items()
        if name in takes
    }
    if "seeds" in takes:
        frames["seeds"] = read_seeds(runs)
    save_figure(draw(**frames, **given), out)
    click.echo(f"wrote {out}")
