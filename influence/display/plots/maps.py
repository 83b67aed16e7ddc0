"""Maps of single samples: truth, both predictions, and where the source helps or hurts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import seaborn
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
    gain_limit,
)
from influence.display.plots.style import COLUMN_WIDTH, styled, write_legend
from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps

__all__ = ["draw_maps"]

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
    if maps.truth.ndim != 3:
        raise InfluenceError(
            f"expected an output with rows and columns of pixels to draw, got samples of shape "
            f"{maps.truth.shape[1:]}. Write the maps to an HDF5 file instead"
        )
    layers = {name: layer for name in TITLES if (layer := getattr(maps, name)) is not None}
    titles = [TITLES[name] for name in layers] + [GAINS]
    if maps.pictures is not None:
        titles = [maps.pictured, *titles]
    rows, columns = len(maps.ids), len(titles)
    height, width = maps.truth.shape[1:]
    panel = (WIDTH - MARGIN) / columns * height / width
    with styled():
        margins = OUTSIDE[maps.of_labels]
        figure = Figure((WIDTH, rows * (panel + CAPTION) + margins), layout=LAYOUT())
        figure.suptitle(f"{maps.network}: {maps.source} → {maps.target}, mute: {maps.mute}")
        ratios = [panel] * rows + [BAR] * (not maps.of_labels)
        cells = figure.add_gridspec(len(ratios), columns, height_ratios=ratios)
        grid = np.array(
            [[figure.add_subplot(cells[i, j]) for j in range(columns)] for i in range(rows)]
        )
        _caption(grid, titles, names or maps.ids, maps)
        if maps.pictures is not None:
            _show(grid[:, 0], maps.pictures, **_look(maps.pictures))
        panels, shown = grid[:, -len(layers) - 1 :], list(layers.values())
        if maps.of_labels:
            _draw_labels(figure, panels, shown, maps)
        else:
            columns_of_bars = (slice(-len(layers) - 1, -1), -1)
            bars = [figure.add_subplot(cells[-1, column]) for column in columns_of_bars]
            _draw_values(figure, panels, shown, bars, maps)
    return figure


def _caption(grid: Grid, titles: Iterable[str], names: Sequence[str], maps: SampleMaps) -> None:
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        seaborn.despine(ax=axes, left=True, bottom=True)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for row, name, omega in zip(grid, names, maps.omega, strict=True):
        row[0].set_ylabel(name)
        row[-1].set_xlabel(_amount(maps, omega), labelpad=2, fontsize=7)


def _amount(maps: SampleMaps, omega: float) -> str:
    if maps.of_labels:
        text = f"{100 * omega:+.2f}% of pixels"
    else:
        text = f"mean {omega:+.3f}{f' {maps.unit}' if maps.unit else ''}"
    return text.replace("-", "−")


def _look(pictures: NDArray[Any]) -> dict[str, Any]:
    """Return how pictures are drawn, in the same colours in all rows."""
    if pictures.dtype.kind == "i":
        return {"cmap": ListedColormap(class_colours(last := int(pictures.max()) + 1)),
                "vmin": -0.5, "vmax": last - 0.5}  # fmt: skip
    return {"cmap": "cividis", "vmin": np.nanmin(pictures), "vmax": np.nanmax(pictures)}


def _show(column: Grid, images: NDArray[Any], **options: Any) -> AxesImage:
    """Draw one image per row, without interpolation; grey where it is masked."""
    shown: list[AxesImage] = [
        axes.imshow(image, interpolation="none", **options)
        for axes, image in zip(column, images, strict=True)
    ]
    return shown[-1]


def _draw_labels(
    figure: Figure, panels: Grid, layers: Sequence[NDArray[Any]], maps: SampleMaps
) -> None:
    found = [int(label) for label in np.unique(np.stack(layers)) if label >= 0]
    colours = ListedColormap(class_colours(max(found) + 1))
    for column, layer in zip(panels.T, layers, strict=False):
        _show(column, np.ma.masked_less(layer, 0), cmap=_masked_grey(colours), vmin=-0.5,
              vmax=max(found) + 0.5)  # fmt: skip
    _show_gain(panels[:, -1], maps)
    names = {label: str(label) for label in found} | dict(enumerate(maps.classes))
    legend = {names[label]: _patch(colours(label)) for label in found}
    signs = {"helped": HELPED, "hurt": HURT, "no difference": NEITHER}
    legend |= {sign: _patch(colour) for sign, colour in signs.items()}
    write_legend(figure, legend | _no_truth(maps))


def _draw_values(
    figure: Figure,
    panels: Grid,
    layers: Sequence[NDArray[Any]],
    bars: list[Any],
    maps: SampleMaps,
) -> None:
    known = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
    scale = Normalize(known.min(), known.max())
    for column, layer in zip(panels.T, layers, strict=False):
        image = _show(
            column,
            np.ma.masked_invalid(layer),
            cmap=_masked_grey(ListedColormap(VALUE_COLOURS)),
            norm=scale,
        )
    gains = _show_gain(panels[:, -1], maps)
    if left_out := _no_truth(maps):
        write_legend(figure, left_out)
    unit = f", {maps.unit}" if maps.unit else ""
    figure.colorbar(image, cax=bars[0], orientation="horizontal", label=f"{maps.target}{unit}")
    figure.colorbar(gains, cax=bars[1], orientation="horizontal", extend="both",
                    label=f"hurt | helped{unit}")  # fmt: skip


def _patch(colour: Any) -> Patch:
    return Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4)


def _no_truth(maps: SampleMaps) -> dict[str, Patch]:
    return {"no truth": _patch(NO_TRUTH)} if np.isnan(maps.gain).any() else {}


def _show_gain(column: Grid, maps: SampleMaps) -> AxesImage:
    most = gain_limit([maps])
    return _show(column, np.ma.masked_invalid(maps.gain), cmap=_masked_grey(GAIN),
                 norm=Normalize(-most, most))  # fmt: skip


def _masked_grey(colours: Colormap) -> Colormap:
    return colours.with_extremes(bad=NO_TRUTH)
