"""Shapley values and interactions against closed forms, against shapiq, and sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from influence.plan.setups import arcs, seat
from influence.statistics.coalitions import (
    KINDS,
    Coalition,
    Quantity,
    combine,
    exact,
    of_circle,
    shares,
    subsets,
)

Array = NDArray[np.float64]
Game = Callable[[Coalition], float]
Found = dict[tuple[str, str], float]


def named(quantities: Sequence[Quantity], numbers: Array) -> Found:
    keys = [(q.kind, "".join(q.players)) for q in quantities]
    return dict(zip(keys, numbers.tolist(), strict=True))


def solve(players: str, game: Game) -> Found:
    coalitions, quantities = subsets(players), exact(players)
    values = np.array([game(coalition) for coalition in coalitions])[:, None, None]
    return named(quantities, combine([quantities], coalitions, values, np.ones((1, 1)))[:, 0, 0])


def drawn_game(players: str, seed: int) -> dict[Coalition, float]:
    stream = np.random.default_rng(seed)
    return {coalition: float(stream.normal()) for coalition in subsets(players)}


@pytest.mark.parametrize("players", ["a", "ab", "abcd"])
def test_an_additive_game_pays_everybody_the_same_in_every_way(players: str) -> None:
    own = {player: (-2.0) ** i for i, player in enumerate(players)}
    found = solve(players, lambda present: 5.0 + sum(own[p] for p in present))
    for kind in KINDS[:3]:
        assert {p: found[kind, p] for p in players} == pytest.approx(own)
    assert [v for (kind, _), v in found.items() if kind == "interaction"] == pytest.approx(
        [0.0] * (len(players) * (len(players) - 1) // 2)
    )


def test_what_only_two_together_give_is_synergy() -> None:
    """Exclusive or: one bit alone says nothing, both say all; c says nothing at all."""
    found = solve("abc", lambda present: float({"a", "b"} <= present))
    assert found["leave_one_out", "a"] == 1
    assert found["add_one_in", "a"] == 0
    assert found["shapley", "a"] == found["shapley", "b"] == pytest.approx(0.5)
    assert found["interaction", "ab"] == pytest.approx(1)
    assert found["shapley", "c"] == found["interaction", "ac"] == 0


def test_a_source_that_comes_twice_is_redundant() -> None:
    found = solve("ab", lambda present: float(bool(present)))
    assert found["leave_one_out", "a"] == 0
    assert found["add_one_in", "a"] == 1
    assert found["shapley", "a"] == pytest.approx(0.5)
    assert found["interaction", "ab"] == -1


def test_three_players_by_hand() -> None:
    """The mean over the six orders of joining, and of the pair's derivative with and without c."""
    game = drawn_game("abc", 0)
    gains = [game[frozenset(o[: o.index("a") + 1])] - game[frozenset(o[: o.index("a")])]
             for o in permutations("abc")]  # fmt: skip
    found = solve("abc", game.__getitem__)
    assert found["shapley", "a"] == pytest.approx(np.mean(gains))
    v = {"".join(sorted(coalition)): value for coalition, value in game.items()}
    without, beside = v["ab"] - v["a"] - v["b"] + v[""], v["abc"] - v["ac"] - v["bc"] + v["c"]
    assert found["interaction", "ab"] == pytest.approx((without + beside) / 2)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_shapley_values_share_out_the_whole_gain(count: int, seed: int) -> None:
    players = "abcdef"[:count]
    game = drawn_game(players, seed)
    found = solve(players, game.__getitem__)
    total = sum(found["shapley", player] for player in players)
    assert total == pytest.approx(game[frozenset(players)] - game[frozenset()])


def in_shapiq(players: str, game: Game) -> Found:
    """Return the Shapley values and the order-2 interactions that shapiq computes."""

    def values(present: NDArray[np.bool_]) -> Array:
        return np.array(
            [game(frozenset(p for p, here in zip(players, row, strict=True) if here))
             for row in present]
        )  # fmt: skip

    computer = shapiq.ExactComputer(values, n_players=len(players))
    single, pairs = computer("SV", 1), computer("SII", 2)
    found = {("shapley", p): float(single[(i,)]) for i, p in enumerate(players)}
    for i, first in enumerate(players):
        for j in range(i + 1, len(players)):
            found["interaction", first + players[j]] = float(pairs[(i, j)])
    return found


@pytest.mark.parametrize("count", range(2, 7))
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_shapiq(count: int, seed: int) -> None:
    players = "abcdef"[:count]
    game = drawn_game(players, seed)
    expected, found = in_shapiq(players, game.__getitem__), solve(players, game.__getitem__)
    assert {key for key in found if key[0] in KINDS[2:]} == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-9, rel=0)


def test_draws_and_levels_are_solved_side_by_side() -> None:
    coalitions, quantities = subsets("abc"), exact("abc")
    values = np.random.default_rng(0).normal(size=(8, 4, 3))
    found = combine([quantities], coalitions, values, np.ones((4, 1)))
    assert found.shape == (len(quantities), 4, 3)
    for draw in range(4):
        for level in range(3):
            own = dict(zip(coalitions, values[:, draw, level].tolist(), strict=True))
            alone = solve("abc", own.__getitem__)
            assert named(quantities, found[:, draw, level]) == pytest.approx(alone)


def test_what_is_not_defined_spoils_only_what_needs_it() -> None:
    coalitions, quantities = subsets("abc"), exact("abc")
    values = np.ones((8, 1, 1))
    values[coalitions.index(frozenset("ab"))] = np.nan
    found = named(quantities, combine([quantities], coalitions, values, np.ones((1, 1)))[:, 0, 0])
    spoilt = {key for key, value in found.items() if np.isnan(value)}
    assert spoilt == {("leave_one_out", "c")} | {key for key in found if key[0] in KINDS[2:]}


def estimate(players: str, game: Game, circles: Sequence[tuple[str, ...]]) -> Array:
    """Return every circle's own estimate of all quantities: (quantities, circles)."""
    coalitions = list({arc for circle in circles for arc in arcs(circle)})
    values = np.array([game(coalition) for coalition in coalitions])[:, None, None]
    one = np.ones((1, 1))
    each = [combine([of_circle(c, players)], coalitions, values, one) for c in circles]
    return np.concatenate(each, 1)[..., 0]


def test_the_mean_over_all_circles_is_exact() -> None:
    """Nothing is biased: all 4! seatings of five players, the first on the first seat."""
    game = drawn_game("abcde", 1)
    circles = [("a", *rest) for rest in permutations("bcde")]
    mean = estimate("abcde", game.__getitem__, circles).mean(1)
    assert named(exact("abcde"), mean) == pytest.approx(solve("abcde", game.__getitem__))


def test_one_circle_is_exact_for_effects_of_few_players() -> None:
    """Antithetic orders: pairs for Shapley values, and threes for interactions, without error."""
    weights = drawn_game("abcdefghi", 2)
    for most, kind in ((2, "shapley"), (3, "interaction")):

        def game(present: Coalition, most: int = most) -> float:
            return sum(w for s, w in weights.items() if len(s) <= most and s <= present)

        (circle,) = seat("abcdefghi", 0, count=1)
        found = named(exact("abcdefghi"), estimate("abcdefghi", game, [circle])[:, 0])
        true = solve("abcdefghi", game)
        for key in (key for key in true if key[0] == kind):
            assert found[key] == pytest.approx(true[key])


def saturating(players: str, seed: int) -> Game:
    """A game in which what is known already makes the next worth less."""
    own = dict(zip(players, np.random.default_rng(seed).normal(size=len(players)), strict=True))
    return lambda present: float(np.tanh(sum(own[p] for p in present)))


def test_sampling_converges_to_the_exact_values() -> None:
    players, errors = "abcdefghi", []
    game = saturating(players, 0)
    true = np.array(list(solve(players, game).values()))
    for count in (10, 1000):
        found = estimate(players, game, seat(players, 0, count)).mean(1)
        errors.append(float(np.abs(found - true).max()))
    # A hundred times as many circles: a tenth of the error.
    assert errors[1] < 0.2 * errors[0]
    assert errors[1] < 0.01


def test_shapley_values_of_a_sample_share_out_the_whole_gain() -> None:
    game = drawn_game("abcdefghi", 4)
    each = estimate("abcdefghi", game.__getitem__, seat("abcdefghi", 0))
    gain = game[frozenset("abcdefghi")] - game[frozenset()]
    assert each[18:27].sum(0) == pytest.approx(np.full(each.shape[1], gain))


@pytest.mark.parametrize("kind", ["shapley", "interaction"])
def test_intervals_of_a_sample_cover_the_exact_values(kind: str) -> None:
    players, covered = "abcdefghi", []
    for seed in range(40):
        game = saturating(players, seed)
        true, each = solve(players, game), estimate(players, game, seat(players, seed))
        drawn = each @ shares(each.shape[1], 400, 0.95, np.random.default_rng(seed)).T
        low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
        covered += [
            low[i] <= value <= high[i]
            for i, (key, value) in enumerate(true.items())
            if key[0] == kind
        ]
    assert 0.90 <= np.mean(covered) <= 0.98


def test_shares_have_the_variance_of_a_mean() -> None:
    """Of normal estimates the interval has the width of Student's t interval."""
    numbers = np.random.default_rng(0).normal(size=6)
    drawn = shares(6, 200_000, 0.95, np.random.default_rng(1)) @ numbers
    assert drawn.mean() == pytest.approx(numbers.mean(), abs=0.01)
    # Student's 97.5% quantile of five degrees of freedom over the normal one.
    expected = numbers.std(ddof=1) / np.sqrt(6) * 2.5706 / 1.9600
    assert drawn.std() == pytest.approx(expected, rel=0.02)
