"""Every kind of network: the user's few lines give the omega of the loop by hand."""

from __future__ import annotations

import pytest

from experiments.networks_of_users.kind import Kind, compare, count_lines
from experiments.networks_of_users.kinds import KINDS, find_kind
from influence.errors import InfluenceError

FEW = {"easy-vqa": 192, "rgbd": 2, "graph-nodes": 40, "scikit-learn": 30, "omics": 40}
"""How many samples are enough; 20 by default."""
MOST_LINES = 15


def kind_of(name: str) -> Kind:
    try:
        return find_kind(name)
    except InfluenceError as error:
        pytest.skip(str(error))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", KINDS)
def test_omega_is_that_of_the_loop_by_hand(name: str) -> None:
    kind = kind_of(name)
    network, data = kind.network(), kind.data(FEW.get(name, 20))
    run = kind.user_code(network, data)
    found = list(compare(kind, run, network, data))
    assert {(r["source"], r["mute"]) for r in found}
    for record in found:
        assert record["difference"] <= 1e-6 * max(1.0, abs(record["by_hand"])), record
    assert any(record["omega"] != 0 for record in found)


@pytest.mark.parametrize("name", KINDS)
def test_the_user_writes_few_lines(name: str) -> None:
    assert count_lines(kind_of(name).user_code) <= MOST_LINES


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "other", "nothing_of_this_name:KIND")
    with pytest.raises(InfluenceError, match=r"other needs .*nothing_of_this_name, which is not"):
        find_kind("other")
