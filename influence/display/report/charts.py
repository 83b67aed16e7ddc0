"""Charts of the page, as Vega-Lite specifications without data.

The page draws a chart once per panel, from the rows of its tables that the reader chose. It
replaces `$x` and `$y` by the headings of the panel, and gives the rows the names `points` and
`envelope`. The fields of a row are `name`, `x` (omega) and `y` (oriented performance), each with
`Low` and `High`, in the units that are shown, and the texts of tooltips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from influence.display.notation import display_of
from influence.display.plots.performance import upper_envelope
from influence.display.plots.style import inks

__all__ = ["CHARTS", "COLOURED_AT_MOST", "Chart", "envelopes", "ink_scale", "network_scale"]

Spec = dict[str, Any]

COLOURED_AT_MOST = 10
"""More networks than this are drawn in one colour; tooltips name them."""

SHAPES = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down",
          "P": "cross"}  # fmt: skip
"""Marker of matplotlib -> shape of Vega."""

NEUTRAL = "$neutral"
"""The page replaces this by its grey, which differs between light and dark."""


@dataclass(frozen=True)
class Chart:
    """One figure of the page.

    Parameters
    ----------
    name
        Name of its HTML element.
    title, about
        What it shows, and how to read it.
    panels
        Whether there is a panel for each `direction` (input, output) or for each `target`.
    spec
        Vega-Lite specification of a panel.
    """

    name: str
    title: str
    about: str
    panels: Literal["direction", "target"]
    spec: Spec


def ink_scale(names: pd.Series) -> Spec:
    """Give each network or mute its colour and shape in figures.

    >>> ink_scale(pd.Series(["zero", "mean"]))
    {'names': ['zero', 'mean'], 'colours': ['#0173b2', '#de8f05'], 'shapes': ['circle', 'square']}
    """
    ink_of = inks(names.astype(str))
    return {
        "names": list(ink_of),
        "colours": [ink.colour for ink in ink_of.values()],
        "shapes": [SHAPES[ink.marker] for ink in ink_of.values()],
    }


def network_scale(names: pd.Series) -> Spec | None:
    """Give each network its colour and shape; None if there are too many networks."""
    return None if names.nunique() > COLOURED_AT_MOST else ink_scale(names)


def envelopes(influence: pd.DataFrame) -> list[Spec]:
    """Return the upper concave envelope over networks by data set, mute, direction and metric.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`.

    Examples
    --------
    >>> frame = pd.DataFrame({"dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "omega": [0.1, 0.2, 0.3], "full": [0.5, 0.4, 0.45]})
    >>> [(round(p["x"]), round(p["y"])) for p in envelopes(frame)[0]["points"]]
    [(10, 50), (30, 45)]
    """
    whole = influence[influence["level"] == "all"]
    keys = ["dataset", "mute", "source", "target", "metric"]
    return [
        dict(zip(keys, key, strict=True), points=_envelope(rows))
        for key, rows in whole.groupby(keys, sort=False, dropna=False)
    ]


def _envelope(rows: pd.DataFrame) -> list[dict[str, float]]:
    gain = display_of(rows["metric"].iloc[0]).gain
    y = rows["full"] * gain * rows["higher_is_better"].map({True: 1, False: -1})
    corners = upper_envelope(rows["omega"] * gain, y)
    return [{"x": float(x), "y": float(y)} for x, y in corners]


def _number(field: str, title: str | None = None, **options: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **options}


def _name(field: str, **options: Any) -> Spec:
    return {"field": field, "type": "nominal", "sort": None, **options}


def _hover(**fields: str) -> list[Spec]:
    return [
        {"field": field, "type": "nominal", "title": title.replace("_", " ")}
        for title, field in fields.items()
    ]


# Colours and shapes stand in the rows, so that no name gets into an expression of Vega's.
NETWORK_COLOUR, NETWORK_SHAPE, MUTE_COLOUR, MUTE_SHAPE = (
    _name(field, scale=None, legend=None)
    for field in ("networkColour", "networkShape", "muteColour", "muteShape")
)
OMEGA = _number("x", "$x", scale={"zero": False, "nice": True})
LOOSE = {"zero": False, "nice": True, "padding": 14}
ZERO: Spec = {
    "mark": {"type": "rule", "strokeDash": [2, 3], "color": NEUTRAL, "aria": False},
    "encoding": {"x": {"datum": 0}},
}
SAID = _name("said")
"""The text of a mark for screen readers."""

OUTLINE: Spec = {"stroke": "$ink", "strokeWidth": 0.5}
"""Outline of filled marks, so that light colours are seen on light paper."""

WHO = {"network": "name", "influence_ω": "omegaText"}


def _bar(**ends: Spec) -> Spec:
    mark = {"type": "rule", "opacity": 0.55, "aria": False}
    return {"mark": mark, "encoding": {**ends, "color": NETWORK_COLOUR}}


PERFORMANCE: Spec = {
    "height": 260,
    "data": {"name": "points"},
    "layer": [
        ZERO,
        {
            "data": {"name": "envelope"},
            "mark": {"type": "line", "color": NEUTRAL, "strokeWidth": 1.5, "aria": False},
            "encoding": {
                "x": _number("x", "$x", scale=LOOSE),
                "y": _number("y", "$y"),
                "detail": _name("dataset"),
            },
        },
        _bar(x=_number("xLow", "$x"), x2={"field": "xHigh"}, y=_number("y", "$y")),
        _bar(x=_number("x", "$x"), y=_number("yLow", "$y"), y2={"field": "yHigh"}),
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.95, **OUTLINE},
            "encoding": {
                "description": SAID,
                "x": _number("x", "$x", scale=LOOSE),
                "y": _number("y", "$y", scale=LOOSE),
                "color": NETWORK_COLOUR,
                "shape": NETWORK_SHAPE,
                "tooltip": _hover(**WHO, with_all_inputs="fullText", mute="mute", level="level"),
            },
        },
    ],
}

ON_TOP = {"orient": "top", "labelAngle": "$angle", "labelLimit": 140}

MATRIX: Spec = {
    "height": {"step": 30},
    "data": {"name": "points"},
    "encoding": {
        "x": _name("axis", title="input that is muted", axis=ON_TOP),
        "y": _name("name", title=None),
    },
    "layer": [
        {
            "mark": {"type": "rect", "cornerRadius": 3, "stroke": "$surface", "strokeWidth": 2},
            "encoding": {
                "description": SAID,
                "color": _number(
                    "x",
                    None,
                    legend=None,
                    scale={
                        "type": "symlog",
                        "constant": "$constant",
                        "domain": "$domain",
                        "range": ["$hurt", "$surface-strong", "$help"],
                        "interpolate": "rgb",  # by hue it would pass other colours on its way
                    },
                ),
                "tooltip": _hover(**WHO, input="source", output="target", mute="mute"),
            },
        },
        {
            "mark": {"type": "text", "fontSize": 12, "aria": False},
            "encoding": {"text": _name("short"), "color": {"value": "$ink"}},
        },
    ],
}


def _interval_rows(y: str, within: str, color: Spec, *points: Spec) -> Spec:
    """Return a chart with one row per `y`, and in it one interval per `within`, below points."""
    rows = {
        "y": _name(y, title=None, scale={"paddingInner": 0.25}),
        "yOffset": _name(within),
        "color": color,
    }
    interval = {
        "mark": {"type": "rule", "opacity": 0.7, "strokeWidth": 1.5, "aria": False},
        "encoding": {**rows, "x": _number("xLow", "$x"), "x2": {"field": "xHigh"}},
    }
    marks = [
        {**point, "encoding": {**rows, "x": OMEGA, "description": SAID, **point["encoding"]}}
        for point in points
    ]
    return {
        "height": "$rows-height",
        "data": {"name": "points"},
        "layer": [ZERO, interval, *marks],
    }


FILLED: Spec = {"type": "point", "filled": True, "size": 60, "opacity": 1, **OUTLINE}
MUTE_POINT: Spec = {
    "shape": MUTE_SHAPE,
    "tooltip": _hover(**WHO, mute="mute", muted_input="farText", verdict="verdict"),
}
MUTES = _interval_rows(
    "name",
    "mute",
    MUTE_COLOUR,
    {"transform": [{"filter": "!datum.far"}], "mark": FILLED, "encoding": MUTE_POINT},
    {
        "transform": [{"filter": "datum.far"}],
        "mark": {"type": "point", "size": 60, "opacity": 1, "fill": "$surface"},
        "encoding": MUTE_POINT,
    },
)
LEVELS = _interval_rows(
    "level",
    "name",
    NETWORK_COLOUR,
    {
        "mark": FILLED,
        "encoding": {
            "shape": NETWORK_SHAPE,
            "tooltip": _hover(part="level", **WHO, with_the_input="fullText", mute="mute"),
        },
    },
)

CHARTS: tuple[Chart, ...] = (
    Chart(
        "performance",
        "Do networks that use an input more also do better?",
        "Each point is a trained network: to the right, the input influences the output more; "
        "further up, the output is better. Bars are intervals. The grey line is the upper concave "
        "envelope, after Fig. 7 of arXiv 1702.08009.",
        "direction",
        PERFORMANCE,
    ),
    Chart(
        "matrix",
        "Which input helps which output?",
        "One row for each network, one column for each input. Blue: the input helps. Vermilion: it "
        "hurts. Colours grow slowly with the number, so that small influences are seen, too.",
        "target",
        MATRIX,
    ),
    Chart(
        "mutes",
        "Does the answer depend on how the input is replaced?",
        "One point for each way to replace the input. Where all intervals lie on one side of the "
        "dotted line, all ways agree. A hollow point: the replaced input is far from the data, and "
        "the influence may be an artefact.",
        "direction",
        MUTES,
    ),
    Chart(
        "levels",
        "Where does the input help?",
        "The same influence, for parts of the samples: each class, each range of depth, borders "
        "and interiors of regions.",
        "direction",
        LEVELS,
    ),
)
"""The charts in the order of the page."""
