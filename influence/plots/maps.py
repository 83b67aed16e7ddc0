"""Maps of single samples: truth, both predictions, and where the source helps or hurts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.map_colours import GAIN, HELPED, HURT, NEITHER, NO_TRUTH, class_colours, gain_limit
from influence.plots.style import COLUMN_WIDTH, styled, write_legend
from influence.sample_maps import SampleMaps

__all__ = ["draw_maps"]

WIDTH = 2 * COLUMN_WIDTH
MARGIN, CAPTION, BAR = 0.3, 0.18, 0.08  # inches: beside, below each row, a colour bar
OUTSIDE = {True: 1.0, False: 1.4}  # inches: titles and a legend of labels, or bars of values

TITLES = ("truth", "prediction,\nnothing muted", "prediction,\nsource muted", "helped, hurt")

Grid = NDArray[Any]
"""Axes, one row a sample."""


def draw_maps(maps: SampleMaps) -> Figure:
    """Draw one row a sample: what it looks like, truth, both predictions, and the gain.

    Raises
    ------
    InfluenceError
        If the output has no rows and columns of pixels.

    Examples
    --------
    >>> one = np.zeros((1, 2, 3))
    >>> figure = draw_maps(SampleMaps("net", "x", "y", "zero", ("0001",), one, one, one + 1))
    >>> [axes.get_xlabel() for axes in figure.axes[:4]]
    ['', '', '', 'mean +1.000']
    """
    if maps.truth.ndim != 3:
        raise InfluenceError(
            f"expected an output with rows and columns of pixels to draw, got samples of shape "
            f"{maps.truth.shape[1:]}. Write the maps to a file instead: --out maps.h5"
        )
    titles = [*([] if maps.pictures is None else [maps.pictured]), *TITLES]
    rows, columns = len(maps.ids), len(titles)
    height, width = maps.truth.shape[1:]
    panel = (WIDTH - MARGIN) / columns * height / width
    with styled():
        margins = OUTSIDE[maps.of_labels]
        figure = Figure((WIDTH, rows * (panel + CAPTION) + margins), layout="constrained")
        figure.suptitle(f"{maps.network}: {maps.source} → {maps.target}, mute: {maps.mute}")
        ratios = [panel] * rows + [BAR] * (not maps.of_labels)
        cells = figure.add_gridspec(len(ratios), columns, height_ratios=ratios)
        grid = np.array(
            [[figure.add_subplot(cells[i, j]) for j in range(columns)] for i in range(rows)]
        )
        _caption(grid, titles, maps)
        if maps.pictures is not None:
            _show(grid[:, 0], maps.pictures, cmap="cividis")
        if maps.of_labels:
            _draw_labels(figure, grid[:, -4:], maps)
        else:
            bars = [figure.add_subplot(cells[-1, place]) for place in (slice(-4, -1), -1)]
            _draw_values(figure, grid[:, -4:], bars, maps)
    return figure


def _caption(grid: Grid, titles: Iterable[str], maps: SampleMaps) -> None:
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        seaborn.despine(ax=axes, left=True, bottom=True)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for row, name, omega in zip(grid, maps.ids, maps.omega, strict=True):
        row[0].set_ylabel(name)
        row[-1].set_xlabel(_amount(maps, omega), labelpad=2)


def _amount(maps: SampleMaps, omega: float) -> str:
    if maps.of_labels:
        text = f"net {100 * omega:+.2f}% of pixels"
    else:
        text = f"mean {omega:+.3f}{f' {maps.unit}' if maps.unit else ''}"
    return text.replace("-", "−")


def _show(column: Grid, images: NDArray[Any], **options: Any) -> AxesImage:
    """Draw one image a row; grey where it is masked."""
    shown: list[AxesImage] = [
        axes.imshow(image, interpolation="nearest", **options)
        for axes, image in zip(column, images, strict=True)
    ]
    return shown[-1]


def _draw_labels(figure: Figure, panels: Grid, maps: SampleMaps) -> None:
    layers = (maps.truth, maps.full, maps.muted)
    found = [int(label) for label in np.unique(np.stack(layers)) if label >= 0]
    colours = ListedColormap(class_colours(max(found) + 1))
    for column, layer in zip(panels.T, layers, strict=False):
        _show(column, np.ma.masked_less(layer, 0), cmap=_masked_grey(colours), vmin=-0.5,
              vmax=max(found) + 0.5)  # fmt: skip
    _show_gain(panels[:, 3], maps)
    names = {label: str(label) for label in found} | dict(enumerate(maps.classes))
    legend = {names[label]: _patch(colours(label)) for label in found}
    signs = {"helped": HELPED, "hurt": HURT, "no difference": NEITHER}
    legend |= {sign: _patch(colour) for sign, colour in signs.items()}
    write_legend(figure, legend | _no_truth(maps))


def _draw_values(figure: Figure, panels: Grid, bars: list[Any], maps: SampleMaps) -> None:
    layers = (maps.truth, maps.full, maps.muted)
    known = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
    scale = Normalize(known.min(), known.max())
    for column, layer in zip(panels.T, layers, strict=False):
        image = _show(column, np.ma.masked_invalid(layer), cmap=_masked_grey("viridis"), norm=scale)
    gains = _show_gain(panels[:, 3], maps)
    if left_out := _no_truth(maps):
        write_legend(figure, left_out)
    unit = f", {maps.unit}" if maps.unit else ""
    figure.colorbar(image, cax=bars[0], orientation="horizontal", label=f"{maps.target}{unit}")
    figure.colorbar(gains, cax=bars[1], orientation="horizontal", extend="both",
                    label=f"hurt − | helped +{unit}")  # fmt: skip


def _patch(colour: Any) -> Patch:
    return Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4)


def _no_truth(maps: SampleMaps) -> dict[str, Patch]:
    return {"no truth": _patch(NO_TRUTH)} if np.isnan(maps.gain).any() else {}


def _show_gain(column: Grid, maps: SampleMaps) -> AxesImage:
    most = gain_limit([maps])
    return _show(column, np.ma.masked_invalid(maps.gain), cmap=_masked_grey(GAIN),
                 norm=Normalize(-most, most))  # fmt: skip


def _masked_grey(colours: Colormap | str) -> Colormap:
    known = matplotlib.colormaps[colours] if isinstance(colours, str) else colours
    return known.with_extremes(bad=NO_TRUTH)
