"""Balance: its invariances."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.claims.judgement import asymmetry, balance, relative

STREAM = np.random.default_rng(3)
ONE, OTHER = STREAM.normal(size=(2, 200))


def test_balance_does_not_ask_which_source_is_which_nor_for_the_unit() -> None:
    assert balance(ONE, OTHER) == pytest.approx(balance(OTHER, ONE))
    assert balance(3 * ONE, 3 * OTHER) == pytest.approx(balance(ONE, OTHER))
    assert asymmetry(ONE, OTHER) == pytest.approx(-asymmetry(OTHER, ONE))


def test_balance_and_asymmetry_lie_within_their_ranges() -> None:
    for found in (balance(ONE, OTHER), asymmetry(ONE, OTHER)):
        assert np.abs(found).max() <= 1
    assert (balance(ONE, OTHER) < 0).sum() == ((ONE < 0) | (OTHER < 0)).sum()


def test_of_two_helping_sources_each_says_the_other() -> None:
    one, other = np.abs(ONE), np.abs(OTHER)
    size = np.abs(asymmetry(one, other))
    assert balance(one, other) == pytest.approx((1 - size) / (1 + size))


def test_relative_influence_is_the_growth_of_the_error() -> None:
    full, muted = 57.0, 54.0
    assert relative(np.array(full - muted), np.array(full), "semantic") == pytest.approx(
        (100 - muted) / (100 - full) - 1
    )
