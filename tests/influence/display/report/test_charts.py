"""Charts: specifications that hold no data, and the colours of the figures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from influence.display.plots.performance import performance_panels, upper_envelope
from influence.display.plots.style import inks
from influence.display.report.charts import CHARTS, envelopes, ink_scale, network_scale
from tests.tables_of_runs import influence_frame, performance_frame

PLACES = {
    "$x", "$y", "$neutral", "$surface", "$ink", "$help", "$hurt", "$surface-strong", "$constant",
    "$domain", "$rows-height", "$angle",
}  # fmt: skip
"""What assets/charts.js fills in."""


def strings(spec: Any) -> set[str]:
    if isinstance(spec, dict):
        return set().union(*map(strings, spec.values()), set())
    if isinstance(spec, list | tuple):
        return set().union(*map(strings, spec), set())
    return {spec} if isinstance(spec, str) else set()


def test_places_are_those_that_the_page_fills() -> None:
    used = {text for chart in CHARTS for text in strings(chart.spec) if text.startswith("$")}
    assert used == PLACES


def test_specifications_are_json_and_hold_no_data() -> None:
    for chart in CHARTS:
        assert json.loads(json.dumps(chart.spec)) == chart.spec
        assert chart.spec["data"] == {"name": "points"}


def test_colours_are_those_of_the_figures() -> None:
    networks = influence_frame()["network"]
    scale = network_scale(networks)
    assert scale is not None
    assert dict(zip(scale["names"], scale["colours"], strict=True)) == {
        name: ink.colour for name, ink in inks(networks).items()
    }
    assert len(set(ink_scale(pd.Series(list("abcdef")))["shapes"])) == 6


def test_many_networks_share_one_colour() -> None:
    assert network_scale(pd.Series([f"n{i}" for i in range(46)])) is None


def test_envelopes_are_those_of_the_figure() -> None:
    influence = influence_frame()
    for mute in ("zero", "mean"):
        for panel in performance_panels(influence, performance_frame(), mute=mute):
            (own,) = [
                found
                for found in envelopes(influence)
                if (found["mute"], found["source"], found["target"])
                == (mute, panel.source, panel.target)
                and found["metric"] in ("mean_iou", "sqr_rel")
            ]
            corners = [[point["x"], point["y"]] for point in own["points"]]
            np.testing.assert_allclose(
                corners, upper_envelope(panel.points["x"], panel.points["y"])
            )


def test_each_data_set_has_an_envelope_of_its_own() -> None:
    one = influence_frame()
    other = one.assign(dataset="other", full=one["full"] + 1)
    alone, together = envelopes(one), envelopes(pd.concat([one, other]))
    assert [found for found in together if found["dataset"] == "rooms"] == alone
    assert len(together) == 2 * len(alone)
