"""Maps of single samples: truth, both predictions, and where the source helps or hurts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import seaborn
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray

from influence.display.images import (
    GAIN,
    HELPED,
    HURT,
    NEITHER,
    NO_TRUTH,
    VALUE_COLOURS,
    class_colours,
    colour_bytes,
    gain_limit,
)
from influence.display.plots.style import COLUMN_WIDTH, legible, styled, write_legend
from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps

__all__ = ["check_drawable", "draw_maps"]

WIDTH = 2 * COLUMN_WIDTH
MARGIN, CAPTION, BAR = 0.4, 0.18, 0.08  # inches: beside, below each row, a colour bar
OUTSIDE = {True: 0.85, False: 1.2}  # inches: titles and a legend of labels, or bars of values

TITLES = {
    "truth": "truth",
    "given": "input",
    "full": "prediction,\nnothing muted",
    "muted": "prediction,\nsource muted",
}

LAYOUT = partial(ConstrainedLayoutEngine, w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.0)
GAINS = "helped, hurt"

Grid = NDArray[Any]
"""Axes, one row per sample."""


def draw_maps(maps: SampleMaps, *, names: Sequence[str] = ()) -> Figure:
    """Draw one row per sample: picture, truth, input, both predictions, and the gain.

    Parameters
    ----------
    maps
        What is drawn. The picture, and the input of the target's name, are left out if there is
        none.
    names
        Names of the rows; by default the ids of the samples.

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
    check_drawable(maps)
    layers = {name: maps.shown(name) for name in TITLES if getattr(maps, name) is not None}
    titles = [TITLES[name] for name in layers] + [GAINS]
    if maps.pictures is not None:
        titles = [maps.pictured, *titles]
    rows, columns = len(maps.ids), len(titles)
    height, width = maps.truth.shape[-2:]
    panel = (WIDTH - MARGIN) / columns * height / width
    with styled():
        margins = OUTSIDE[maps.of_labels]
        figure = Figure((WIDTH, rows * (panel + CAPTION) + margins), layout=LAYOUT())
        network, source, target, mute = (
            legible(name) for name in (maps.network, maps.source, maps.target, maps.mute)
        )
        figure.suptitle(f"{network}: {source} → {target}, mute: {mute}")
        ratios = [panel] * rows + [BAR] * (not maps.of_labels)
        cells = figure.add_gridspec(len(ratios), columns, height_ratios=ratios)
        grid = np.array(
            [[figure.add_subplot(cells[i, j]) for j in range(columns)] for i in range(rows)]
        )
        _caption(grid, titles, names or maps.ids, maps)
        if maps.pictures is not None:
            _show(grid[:, 0], maps.pictures, *_look(maps.pictures))
        most = gain_limit([maps])
        gains = _show_layer(grid[:, -1], maps.shown("gain"), GAIN, Normalize(-most, most))
        first, shown = columns - 1 - len(layers), list(layers.values())
        if maps.of_labels:
            _draw_labels(figure, grid[:, first:-1], shown, maps)
        else:
            unit = f", {legible(maps.unit)}" if maps.unit else ""
            bars = [(gains, cells[-1, -1], f"hurt | helped{unit}", "both")]
            if maps.of_pictures:
                _draw_pictures(figure, grid[:, first:-1], shown, maps)
            else:
                values = _draw_values(figure, grid[:, first:-1], shown, maps)
                bars += [(values, cells[-1, first:-1], f"{legible(maps.target)}{unit}", "neither")]
            for image, cell, label, extend in reversed(bars):
                bar = figure.add_subplot(cell)
                figure.colorbar(image, bar, orientation="horizontal", extend=extend, label=label)
    return figure


def check_drawable(maps: SampleMaps) -> None:
    """Raise InfluenceError if the output has no rows and columns of pixels."""
    if not maps.drawable:
        raise InfluenceError(
            "expected an output with rows and columns of pixels to draw, of one channel or of "
            f"three colours, got samples of shape {maps.truth.shape[1:]}. Write the maps to an "
            "HDF5 file only, without a figure"
        )


def _caption(grid: Grid, titles: Iterable[str], names: Sequence[str], maps: SampleMaps) -> None:
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        seaborn.despine(ax=axes, left=True, bottom=True)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(legible(title))
    for row, name, omega in zip(grid, names, maps.omega, strict=True):
        row[0].set_ylabel(legible(name))
        row[-1].set_xlabel(_amount(maps, omega), labelpad=2, fontsize=7)


def _amount(maps: SampleMaps, omega: float) -> str:
    if maps.of_labels:
        text = f"{100 * omega:+.2f}% of pixels"
    else:
        text = f"mean {omega:+.3f}{f' {legible(maps.unit)}' if maps.unit else ''}"
    return text.replace("-", "−")


def _look(pictures: NDArray[Any]) -> tuple[Colormap, Normalize]:
    """Return how pictures are drawn, in the same colours in all rows."""
    if pictures.dtype.kind == "i" and pictures.ndim == 3:
        count = int(pictures.max()) + 1
        return ListedColormap(class_colours(count)), Normalize(-0.5, count - 0.5)
    return colormaps["cividis"], Normalize(np.nanmin(pictures), np.nanmax(pictures))


def _show(column: Grid, images: NDArray[Any], colours: Colormap, scale: Normalize) -> AxesImage:
    """Draw one image per row, without interpolation."""
    shown: list[AxesImage] = [
        axes.imshow(image, interpolation="none", cmap=colours, norm=scale)
        for axes, image in zip(column, images, strict=True)
    ]
    return shown[-1]


def _show_layer(
    column: Grid, layer: NDArray[Any], colours: Colormap, scale: Normalize
) -> AxesImage:
    """Draw one map per row, grey where it has no truth: labels below 0, or values that are NaN."""
    absent = layer < 0 if layer.dtype.kind == "i" else ~np.isfinite(layer)
    grey = colours.with_extremes(bad=NO_TRUTH)
    return _show(column, np.ma.masked_array(layer, absent), grey, scale)


def _draw_labels(
    figure: Figure, panels: Grid, layers: Sequence[NDArray[Any]], maps: SampleMaps
) -> None:
    found = [int(label) for label in np.unique(np.stack(layers)) if label >= 0]
    colours = ListedColormap(class_colours(max(found) + 1))
    for column, layer in zip(panels.T, layers, strict=True):
        _show_layer(column, layer, colours, Normalize(-0.5, max(found) + 0.5))
    names = {label: str(label) for label in found} | dict(enumerate(maps.classes))
    legend = {names[label]: _patch(colours(label)) for label in found}
    signs = {"helped": HELPED, "hurt": HURT, "no difference": NEITHER}
    legend |= {sign: _patch(colour) for sign, colour in signs.items()}
    write_legend(figure, legend | _no_truth(maps))


def _draw_values(
    figure: Figure, panels: Grid, layers: Sequence[NDArray[Any]], maps: SampleMaps
) -> AxesImage:
    known = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
    scale = Normalize(known.min(), known.max())
    for column, layer in zip(panels.T, layers, strict=True):
        image = _show_layer(column, layer, ListedColormap(VALUE_COLOURS), scale)
    if left_out := _no_truth(maps):
        write_legend(figure, left_out)
    return image


def _draw_pictures(
    figure: Figure, panels: Grid, layers: Sequence[NDArray[Any]], maps: SampleMaps
) -> None:
    for column, layer in zip(panels.T, layers, strict=True):
        for axes, picture in zip(column, layer, strict=True):
            axes.imshow(colour_bytes(picture), interpolation="none")
    if left_out := _no_truth(maps):
        write_legend(figure, left_out)


def _patch(colour: Any) -> Patch:
    return Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4)


def _no_truth(maps: SampleMaps) -> dict[str, Patch]:
    return {"no truth": _patch(NO_TRUTH)} if np.isnan(maps.gain).any() else {}
