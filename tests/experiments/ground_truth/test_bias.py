"""What measurements find on average is the truth."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.ground_truth.bias import MUTES, find_bias
from experiments.ground_truth.worlds import WORLDS


@pytest.mark.parametrize("name", ["synergistic", "three labels"])
def test_bias_is_within_chance(name: str) -> None:
    found = pd.DataFrame(find_bias(WORLDS[name], sets=30, samples=60))
    players = len(WORLDS[name].sites)
    quantities = 3 * players + players * (players - 1) // 2
    assert len(found) == len(MUTES) * len(WORLDS[name].metrics) * quantities
    assert found["z"].abs().max() < 5.5
    assert found["z"].std() > 0.3  # what is simulated does vary
    still = found[found["spread"] == 0]
    assert (still["bias"].abs() < 1e-6).all()
