"""``influence plot``: a figure of measured runs."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo
from influence.display.plots import PLOTS

__all__ = ["plot"]

FRAMES = ("influence", "performance", "interactions", "distance", "seeds")
"""Frames of runs, which plots take by these names; a run may lack `distance`."""


@click.command()
@click.argument("kind", type=click.Choice(list(PLOTS)))
@options.runs
@click.option("--out", required=True, type=options.PATH, help=".png, .pdf or .svg")
@click.option(
    "--mute", help="The mute, by default the first; for the kind mutes several, joined by commas."
)
@options.metric
@click.option(
    "--level", help="all, the default, or a slice (class:floor); for slices also 'class:*'."
)
@click.option("--directions", type=click.Choice(["cross", "all"]),
              help="cross, the default, leaves out outputs of the source's name.")  # fmt: skip
@options.pairs("--group", "groups", form="group=network,...", metavar="NAME=NETWORK,...",
               help="Draw these networks in one colour; may be repeated.")  # fmt: skip
def plot(
    kind: str, runs: tuple[Path, ...], out: Path, groups: list[tuple[str, str]], **asked: Any
) -> None:
    """Draw a figure of measured runs.

    KIND is performance: performance against influence, one point per network; mutes: omega under
    every mute, and whether they agree; matrix: omega of each source and target; interactions: what
    sources contribute alone and together; slices: omega class by class, and by depth or region; or
    seeds: several trainings of one network, and their mean. RUN is a directory that `influence
    measure` wrote; the networks of several runs are drawn together.
    """
    from influence.display.plots import drawing_of
    from influence.display.plots.style import check_suffix, save_figure

    check_suffix(out)
    options.keep_inputs(out, runs)
    draw = drawing_of(kind)
    takes = signature(draw).parameters
    grouped = [(name, group) for group, names in groups for name in options.split(names)]
    asked["groups"] = dict(grouped)
    if len(asked["groups"]) < len(grouped):
        raise click.UsageError("--group takes each network once")
    if "mutes" in takes:
        asked["mutes"] = options.split(asked.pop("mute") or "")
    given = options.match_options(draw, asked)
    frames = {
        name: options.read_frame(runs, name, optional=name == "distance")
        for name in FRAMES
        if name in takes
    }
    save_figure(draw(**frames, **given), out)
    echo(f"wrote {out}")
