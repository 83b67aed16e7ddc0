"""Which sites a setup mutes."""

from __future__ import annotations

from collections import Counter

import pytest

from influence.errors import InfluenceError
from influence.plan.setups import CIRCLES, FULL, arcs, choose_setups, run, seat, setup_name


def test_two_modalities_give_the_three_setups_of_the_paper() -> None:
    assert choose_setups(["x", "y"], ["x", "y"]) == [FULL, {"x"}, {"y"}]


def test_ends_and_all_subsets() -> None:
    sites = ["x", "y", "z"]
    assert choose_setups(sites, sites, "ends") == [FULL, {"x"}, {"y"}, {"z"}, {"x", "y", "z"}]
    found = choose_setups(sites, sites, "all")
    assert len(found) == len(set(found)) == 2**3
    # Of one chosen site there is one way to mute it.
    assert choose_setups(["x"], sites, "ends") == choose_setups(["x"], sites) == [FULL, {"x"}]


def test_a_sample_holds_every_site_alone_and_all_the_others() -> None:
    sites = list("abcdefghijkl")
    found = choose_setups(sites, sites, "sampled", seed=1)
    assert found[: 1 + 12] == choose_setups(sites, sites)
    assert {frozenset(sites), *(frozenset(sites) - {site} for site in sites)} <= set(found)
    assert len(found) == len(set(found)) < 2**12 / 4
    assert found == choose_setups(sites, sites, "sampled", seed=1)
    assert set(found) != set(choose_setups(sites, sites, "sampled", seed=2))


@pytest.mark.parametrize(
    ("sites", "kind", "message"),
    [
        (["x", "y"], "every", "unknown choice of setups 'every'"),
        ([f"s{i}" for i in range(11)], "all", "all subsets of 11 sites are 2048 setups"),
    ],
)
def test_senseless_choice_is_refused(sites: list[str], kind: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        choose_setups(sites, sites, kind)


def test_one_input_cannot_be_muted() -> None:
    with pytest.raises(InfluenceError, match="two or more inputs, got \\['x'\\]"):
        choose_setups(["x"], ["x"])


def test_setup_is_named_by_what_is_present() -> None:
    names = [setup_name(s, ["x", "y"]) for s in (FULL, frozenset("x"), frozenset("xy"))]
    assert names == ["x+y", "y", "none"]


PLAYERS = tuple("abcdefghi")


def test_arcs_are_the_prefixes_of_all_permutations_of_a_circle() -> None:
    (circle,) = seat(PLAYERS, seed=3, count=1)
    prefixes = set()
    for way in (circle, circle[::-1]):
        for start in range(len(way)):
            order = way[start:] + way[:start]
            prefixes |= {frozenset(order[:size]) for size in range(len(order) + 1)}
    assert set(arcs(circle)) == prefixes
    assert len(arcs(circle)) == len(prefixes) == 9 * 8 + 2


def test_complement_of_an_arc_is_an_arc() -> None:
    found = set(arcs(PLAYERS))
    assert {frozenset(PLAYERS) - arc for arc in found} == found
    assert {frozenset({player}) for player in PLAYERS} <= found


def test_a_run_goes_on_at_the_other_end() -> None:
    assert run(PLAYERS, 7, 3) == {"h", "i", "a"}
    assert run(PLAYERS, -2, 3) == {"h", "i", "a"}
    assert run(PLAYERS, 4, 0) == frozenset()


def test_seats_depend_on_the_seed_alone() -> None:
    circles = seat(PLAYERS, seed=1)
    assert circles == seat(PLAYERS, seed=1)
    assert len(set(circles)) == CIRCLES
    assert not set(circles) & set(seat(PLAYERS, seed=2))
    assert circles[:3] == seat(PLAYERS, seed=1, count=3)


def test_every_seat_is_as_likely_for_everybody() -> None:
    seats = Counter(circle.index("a") for circle in seat("abcde", seed=0, count=5000))
    assert sorted(seats) == list(range(5))
    # Five standard deviations of a count of 5000 with the chance 1/5.
    assert max(abs(found - 1000) for found in seats.values()) < 5 * 28.3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_three_players_all_subsets_are_arcs(count: int) -> None:
    assert len(arcs(PLAYERS[:count])) == 2**count
