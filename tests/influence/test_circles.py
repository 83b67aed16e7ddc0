"""Seatings at random, and their arcs."""

from __future__ import annotations

from collections import Counter

import pytest

from influence.circles import CIRCLES, arcs, run, seat

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
