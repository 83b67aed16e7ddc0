"""Interactions: the contributions of single sources, and the interactions of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from influence.display.notation import display_of, run_names
from influence.display.plots.rows import (
    draw_intervals,
    lay_rows,
    point_legend,
    refuse_twice,
    scaled,
)
from influence.display.plots.style import (
    COLUMN_WIDTH,
    Ink,
    heading,
    legible,
    modality_inks,
    styled,
    write_legend,
)
from influence.errors import unknown
from influence.results.selection import choose

__all__ = ["draw_interactions"]

KINDS = {
    "leave_one_out": ("others present (leave-one-out)", "o", True),
    "shapley": ("over all orders (Shapley)", "D", True),
    "add_one_in": ("alone (add-one-in)", "o", False),
    "interaction": ("pair: interaction", "s", True),
}
"""Kind in the file -> its label, its marker, and whether that is filled."""

PAIR = "0.3"
MOST = 3  # panels side by side
STEP, GAP, FRAME = 0.08, 0.08, 0.6  # inches: between kinds, between networks, the rest of a panel
ROW = (len(KINDS) - 1) * STEP + GAP  # of the four kinds, a panel has three at most


def draw_interactions(
    interactions: pd.DataFrame,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    level: str = "all",
) -> Figure:
    """Draw one line of panels per target: a panel for each source and each pair of sources.

    Positive values help. A pair with a positive interaction contributes more than the sum of its
    two sources (synergy), one with a negative interaction less (redundancy).

    Parameters
    ----------
    interactions
        Frame with the columns of `interactions.csv`, of one run or of several.
    mute
        One name; by default the first of the file.
    metric, level
        The results that are drawn, as `influence.results.selection.choose` takes them: by default
        one metric per target, at the level `all`.

    Raises
    ------
    InfluenceError
        If a name is unknown, or there are two results for one point.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "kind": ["shapley", "interaction"],
    ...     "players": ["depth", "depth+rgb"], "value": [0.021, -0.012], "low": [0.01, -0.02],
    ...     "high": [0.03, 0.0], "confidence": 0.95, "n": 654})
    >>> [axes.get_title() for axes in draw_interactions(frame).axes]
    ['depth', 'depth + rgb']
    """
    mute = mute or str(interactions["mute"].iloc[0])
    chosen = choose(interactions, metric=metric, mute=[mute], level=level)
    if strange := [kind for kind in chosen["kind"].unique() if kind not in KINDS]:
        raise unknown("kind of interaction", str(strange[0]), KINDS)
    chosen = scaled(chosen, "value", "low", "high").assign(name=run_names(chosen))
    refuse_twice(chosen, ["target", "metric", "kind", "players"])
    lines = [
        line
        for _, results in chosen.groupby(["target", "metric"], sort=False)
        for line in _lines([rows for _, rows in results.groupby("players", sort=False)])
    ]
    columns = max(map(len, lines))
    colour_of = modality_inks(chosen.loc[chosen["kind"] != "interaction", "players"])
    with styled():
        height = chosen["name"].nunique() * ROW + FRAME
        width = COLUMN_WIDTH * (1 if columns == 1 else 2)
        figure = Figure(figsize=(width, height * len(lines) + 0.5), layout="constrained")
        grid = figure.subplots(len(lines), columns, squeeze=False, sharey=True)
        for line, panels in zip(grid, lines, strict=True):
            for axes, panel in zip(line, panels, strict=False):
                _draw_panel(axes, panel, colour_of)
            for axes in line[len(panels) :]:
                axes.remove()
        kinds = [looks for kind, looks in KINDS.items() if kind in set(chosen["kind"])]
        legend = {words: Ink(PAIR, marker, filled) for words, marker, filled in kinds}
        write_legend(figure, point_legend(legend))
        figure.suptitle(heading(chosen, f"mute: {mute}"), fontsize=7)
    return figure


def _lines(panels: Sequence[pd.DataFrame]) -> list[Sequence[pd.DataFrame]]:
    """Break the panels of one target into lines, sources first."""
    ordered = sorted(panels, key=lambda panel: str(panel["players"].iloc[0]).count("+"))
    return [ordered[i : i + MOST] for i in range(0, len(ordered), MOST)]


def _draw_panel(axes: Axes, panel: pd.DataFrame, colour_of: Mapping[str, Ink]) -> None:
    first = panel.iloc[0]
    players = str(first["players"])
    colour = colour_of[players].colour if players in colour_of else PAIR
    kinds = [kind for kind in KINDS if kind in set(panel["kind"])]
    panel = lay_rows(axes, panel, "name", "kind", kinds, STEP / ROW)
    for kind in kinds:
        _, marker, filled = KINDS[kind]
        draw_intervals(axes, panel[panel["kind"] == kind], Ink(colour, marker, filled))
    axes.set_title(legible(players.replace("+", " + ")), color=colour)
    # The file's values are oriented so that more is better, whatever the metric.
    shown = display_of(str(first["metric"]))
    axes.set_xlabel(f"→ {legible(first['target'])}, {legible(shown.gain_unit() or shown.label)}")
