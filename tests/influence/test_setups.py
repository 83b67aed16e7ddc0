"""Which sites a setup mutes."""

from __future__ import annotations

import pytest

from influence.errors import InfluenceError
from influence.setups import FULL, leave_one_out, select_sites, setup_name


def test_two_modalities_give_the_three_setups_of_the_paper() -> None:
    assert leave_one_out(["x", "y"], ["x", "y"]) == [FULL, {"x"}, {"y"}]


def test_one_input_cannot_be_muted() -> None:
    with pytest.raises(InfluenceError, match="two or more inputs, got \\['x'\\]"):
        leave_one_out(["x"], ["x"])


def test_sites_keep_the_order_of_the_network() -> None:
    assert select_sites(["z", "x"], ["x", "y", "z"]) == ["x", "z"]
    assert select_sites(None, ["x", "y"]) == ["x", "y"]


def test_unknown_site_is_told_with_the_near_one() -> None:
    with pytest.raises(InfluenceError, match="unknown site 'dpeth': did you mean 'depth'"):
        select_sites(["dpeth"], ["depth", "semantic"])


def test_setup_is_named_by_what_is_present() -> None:
    names = [setup_name(s, ["x", "y"]) for s in (FULL, frozenset("x"), frozenset("xy"))]
    assert names == ["x+y", "y", "none"]
