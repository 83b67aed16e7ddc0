"""Charts: what the page draws, as Vega-Lite specifications without data.

The page draws a chart once per panel, from the rows of its tables that the reader chose. It puts
the panel's headings in place of `$x` and `$y`, and the rows under the names `points`, `envelope`.
Fields: `name`, `x` (omega), `y` (oriented performance), each with `Low` and `High`, in the units
that are shown, and texts for those who point at a mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from influence.display.notation import display_of
from influence.display.plots.performance import upper_envelope
from influence.display.plots.style import inks

__all__ = ["CHARTS", "COLOURED_AT_MOST", "Chart", "envelopes", "mute_scale", "network_scale"]

Spec = dict[str, Any]

COLOURED_AT_MOST = 10
"""More networks than colours are drawn in one colour; their names are a pointer away."""

SHAPES = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down",
          "P": "cross"}  # fmt: skip
"""Marker of matplotlib -> shape of Vega."""

NEUTRAL = "$neutral"
"""The page puts its grey here, which differs between light and dark."""


@dataclass(frozen=True)
class Chart:
    """One figure of the page.

    Parameters
    ----------
    name : of its element.
    title, about : what it shows, and how to read it.
    panels : what it is drawn once for: each `direction` (input, output) or each `target`.
    spec : Vega-Lite specification of a panel.
    """

    name: str
    title: str
    about: str
    panels: Literal["direction", "target"]
    spec: Spec


def network_scale(names: pd.Series) -> Spec | None:
    """Give each network the colour and shape of the figures, where there are enough of both.

    >>> network_scale(pd.Series(["a", "b"]))["colours"]
    ['#0173b2', '#de8f05']
    """
    if names.nunique() > COLOURED_AT_MOST:
        return None
    return _scale(names)


def mute_scale(mutes: pd.Series) -> Spec:
    """Give each mute the colour and shape of the figures.

    >>> mute_scale(pd.Series(["zero", "mean"]))
    {'names': ['zero', 'mean'], 'colours': ['#0173b2', '#de8f05'], 'shapes': ['circle', 'square']}
    """
    return _scale(mutes)


def envelopes(influence: pd.DataFrame) -> list[Spec]:
    """Return the upper concave envelope over networks: of each data set, mute, direction, metric.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`.

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


def _scale(names: pd.Series) -> Spec:
    ink_of = inks(names.astype(str))
    return {
        "names": list(ink_of),
        "colours": [ink.colour for ink in ink_of.values()],
        "shapes": [SHAPES[ink.marker] for ink in ink_of.values()],
    }


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
"""What a screen reader says of a mark."""

OUTLINE: Spec = {"stroke": "$ink", "strokeWidth": 0.5}
"""Of filled marks, so that light colours are seen on light paper."""

WHO = {"network": "name", "influence_ω": "omegaText"}

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
        {
            "mark": {"type": "rule", "opacity": 0.55, "aria": False},
            "encoding": {
                "x": _number("xLow", "$x"),
                "x2": {"field": "xHigh"},
                "y": _number("y", "$y"),
                "color": NETWORK_COLOUR,
            },
        },
        {
            "mark": {"type": "rule", "opacity": 0.55, "aria": False},
            "encoding": {
                "x": _number("x", "$x"),
                "y": _number("yLow", "$y"),
                "y2": {"field": "yHigh"},
                "color": NETWORK_COLOUR,
            },
        },
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

MUTE_ROWS: Spec = {
    "y": _name("name", title=None, scale={"paddingInner": 0.25}),
    "yOffset": _name("mute"),
    "color": MUTE_COLOUR,
}
MUTE_POINT: Spec = {
    **MUTE_ROWS,
    "x": OMEGA,
    "shape": MUTE_SHAPE,
    "description": SAID,
    "tooltip": _hover(**WHO, mute="mute", muted_input="farText", verdict="verdict"),
}

MUTES: Spec = {
    "height": "$rows-height",
    "data": {"name": "points"},
    "layer": [
        ZERO,
        {
            "mark": {"type": "rule", "opacity": 0.7, "strokeWidth": 1.5, "aria": False},
            "encoding": {
                **MUTE_ROWS,
                "x": _number("xLow", "$x"),
                "x2": {"field": "xHigh"},
            },
        },
        {
            "transform": [{"filter": "!datum.far"}],
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, **OUTLINE},
            "encoding": MUTE_POINT,
        },
        {
            "transform": [{"filter": "datum.far"}],
            "mark": {"type": "point", "size": 60, "opacity": 1, "fill": "$surface"},
            "encoding": MUTE_POINT,
        },
    ],
}

LEVEL_ROWS: Spec = {
    "y": _name("level", title=None, scale={"paddingInner": 0.25}),
    "yOffset": _name("name"),
    "color": NETWORK_COLOUR,
}

LEVELS: Spec = {
    "height": "$rows-height",
    "data": {"name": "points"},
    "layer": [
        ZERO,
        {
            "mark": {"type": "rule", "opacity": 0.7, "strokeWidth": 1.5, "aria": False},
            "encoding": {
                **LEVEL_ROWS,
                "x": _number("xLow", "$x"),
                "x2": {"field": "xHigh"},
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, **OUTLINE},
            "encoding": {
                **LEVEL_ROWS,
                "x": OMEGA,
                "description": SAID,
                "shape": NETWORK_SHAPE,
                "tooltip": _hover(part="level", **WHO, with_the_input="fullText", mute="mute"),
            },
        },
    ],
}

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
