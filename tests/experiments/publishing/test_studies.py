"""How the numbers of a study are ordered and named."""

from __future__ import annotations

import pandas as pd

from experiments.publishing.studies import depth_words, in_order


def test_bins_of_depth_are_named_with_their_unit() -> None:
    words = depth_words(pd.Series(["all", "depth:2-4", "depth:4-inf"]))
    assert words == {"depth:2-4": "depth 2–4 m", "depth:4-inf": "depth over 4 m"}


def test_networks_are_in_the_order_of_table_1_and_others_follow() -> None:
    frame = in_order(pd.DataFrame({"network": ["jrn-cat1", "mine", "jrn-cat60"]}))
    assert frame["network"].tolist() == ["jrn-cat60", "jrn-cat1", "mine"]
