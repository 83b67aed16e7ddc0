"""The influence matrix: omega of every source and target, network by network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from influence.display.images import GAIN
from influence.display.notation import display_of, omega_unit, run_names
from influence.display.plots.rows import refuse_twice, shown_directions
from influence.display.plots.style import COLUMN_WIDTH, heading, legible, styled

__all__ = ["draw_matrix"]

CELL = (0.5, 0.17)  # inches: width and height
LETTER = 0.06  # inches: the width of a letter, about
NAMES, FRAME = 1.0, 1.15  # inches: what names take beside the cells; titles, sources and bars
MOST, USUAL = 40, 25  # letters of a network's name: shown, and for which there is room
DECADES = 2  # of |omega| with different colours, on either side of zero
DARK = 0.62  # letters are white beyond this part of the scale


def draw_matrix(
    influence: pd.DataFrame,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    level: str = "all",
) -> Figure:
    """Draw one heat map per target: networks down, sources across, omega in each cell.

    An omega in brackets has an interval that holds zero. Colours are logarithmic, because the
    influence of an input on the output of the same name is often a hundred times that on another.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of one run or of several.
    mute
        One name; by default the first of the file.
    metric, level
        The results that are drawn, as `influence.display.plots.rows.shown_directions` takes them:
        by default one metric per target, at the level `all`.

    Raises
    ------
    InfluenceError
        If a name is unknown, or a network has two results for one cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": ["depth", "rgb"],
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "unit": "",
    ...     "omega": [0.2, -0.01], "omega_low": [0.1, -0.02], "omega_high": [0.3, 0.01],
    ...     "confidence": 0.95, "n": 9})
    >>> [text.get_text() for text in draw_matrix(frame).axes[0].texts]
    ['20.0', '(−1.00)']
    """
    mute = mute or str(influence["mute"].iloc[0])
    shown = shown_directions(influence, mutes=[mute], metric=metric, level=level, directions="all")
    shown = shown.assign(name=run_names(shown))
    panels = [rows for _, rows in shown.groupby(["target", "metric"], sort=False)]
    names = list(shown["name"].unique())
    sources = [list(panel["source"].unique()) for panel in panels]
    with styled():
        cells = sum(map(len, sources))
        longer = max(0, min(MOST, max(map(len, names))) - USUAL) * LETTER
        width = max(COLUMN_WIDTH, NAMES + CELL[0] * cells + 0.15 * len(panels)) + longer
        longest = max(map(_reach, sources))
        below = longest if longest > CELL[0] else 0
        size = (width, FRAME + CELL[1] * len(names) + below)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(
            1, len(panels), squeeze=False, sharey=True, width_ratios=list(map(len, sources))
        )[0]
        for axes, panel, across in zip(grid, panels, sources, strict=True):
            _draw_panel(figure, axes, panel, names, across)
        facts = heading(shown, f"mute: {mute}")
        figure.suptitle(f"{facts}\n(in brackets: the interval holds zero)", fontsize=7)
    return figure


def _draw_panel(
    figure: Figure, axes: Axes, panel: pd.DataFrame, names: list[str], across: list[str]
) -> None:
    first = panel.iloc[0]
    refuse_twice(panel, ["source", "target"], "Give each run once, and one level")
    values = panel.pivot(index="name", columns="source", values="x").reindex(
        index=names, columns=across
    )
    sizes = np.abs(values.to_numpy(dtype=np.float64))
    limit = _rounded_up(float(sizes[np.isfinite(sizes)].max(initial=0.0)) or 1.0)
    norm = SymLogNorm(limit / 10**DECADES, vmin=-limit, vmax=limit)
    image = axes.imshow(values, cmap=GAIN, norm=norm, aspect="auto")
    rows: Iterator[Any] = panel.itertuples()
    for row in rows:
        if not pd.isna(row.x):
            strong = np.isfinite(row.x) and abs(2 * float(norm(row.x)) - 1) > DARK
            axes.text(
                across.index(row.source),
                names.index(row.name),
                _words(row),
                ha="center",
                va="center",
                fontsize=6,
                color="white" if strong else "black",
            )
    upright = _reach(across) > CELL[0]
    axes.set_xticks(range(len(across)), list(map(legible, across)), rotation=90 if upright else 0)
    axes.set_yticks(range(len(names)), [legible(name, MOST) for name in names])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"→ {legible(first['target'])}")
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=15, pad=0.03)
    ticks = [-limit, -limit / 10, 0, limit / 10, limit]
    words = [f"{tick:g}".replace("-", "−") for tick in ticks]
    bar.set_ticks(ticks, labels=[words[0], "", *words[2:]])  # one tenth is enough
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(f"ω, {legible(omega_unit(first))}", fontsize=7)


def _rounded_up(size: float) -> float:
    """Return the next number with one significant digit, for the end of a scale."""
    unit = 10.0 ** floor(log10(size))
    return float(f"{ceil(size / unit) * unit:.0e}")


def _reach(names: Sequence[str]) -> float:
    """Return the approximate length of the longest name in inches."""
    return LETTER * max(len(legible(name)) for name in names)


def _words(row: Any) -> str:
    """Write an omega with three significant digits, but no more decimals than tables have."""
    digits = 2 - floor(log10(abs(row.x))) if row.x and np.isfinite(row.x) else 0
    text = f"{row.x:.{min(max(digits, 0), display_of(row.metric).gain_digits)}f}"
    text = text.replace("-", "−")
    return f"({text})" if row.x_low <= 0 <= row.x_high else text
