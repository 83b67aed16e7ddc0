"""A contender that computes something else is found out before it is timed."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.benchmarks import agreement
from experiments.benchmarks.agreement import TOLERANCE, check_agreement
from experiments.benchmarks.rivals import plain_pass
from experiments.benchmarks.subject import Subject
from influence.errors import InfluenceError
from tests.experiments.benchmarks.tiny import FUSION


@pytest.mark.parametrize("error", [10 * TOLERANCE, float("nan")])
def test_a_difference_is_an_error(
    fusion: Subject, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    def wrong(*args: Any) -> dict[tuple[str, str], float]:
        found = plain_pass(*args)
        return found | {("value", "mse"): found["value", "mse"] + error}

    monkeypatch.setattr(agreement, "plain_pass", wrong)
    with pytest.raises(InfluenceError, match=r"late fusion: plain pass gives .* 'mse'"):
        check_agreement(FUSION, fusion)


def test_a_missing_value_is_an_error(fusion: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "plain_pass", lambda *_: {})
    with pytest.raises(InfluenceError, match="plain pass gives other values than influence"):
        check_agreement(FUSION, fusion)
