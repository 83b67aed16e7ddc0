"""Bands hold for all differences at once."""

from __future__ import annotations

import numpy as np

from experiments.claims.bands import band_of_draws, band_of_rounding


def test_zeros_are_rarely_called_certain() -> None:
    stream, wrong = np.random.default_rng(0), 0
    for _ in range(300):
        seen = stream.normal(size=20)
        band = band_of_draws(np.vstack([seen, stream.normal(seen, 1, (400, 20))]), 0.95)
        wrong += bool(band.certain.any() or not band.possible.all())
    assert 3 <= wrong <= 27  # 15 are expected


def test_a_difference_without_error_is_certain() -> None:
    band = band_of_draws(np.tile([0.5, 0.0, -0.5], (10, 1)), 0.95)
    assert band.certain.tolist() == [True, False, False]
    assert band.possible.tolist() == [True, False, False]


def test_rounding_leaves_open_what_the_next_digit_could_change() -> None:
    gain = np.array([0.125 - 0.124, 0.125 - 0.125, 0.125 - 0.126])
    band = band_of_rounding(gain, np.full(3, 0.001))
    assert band.certain.tolist() == [True, False, False]
    assert band.possible.tolist() == [True, True, False]
    assert np.isnan(band.p_value(1.0))
