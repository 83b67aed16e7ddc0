"""What is checked of outputs and rows, and why a network fails."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from influence.engine.checks import RowChecks, explain_failure
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from influence.mutes.registry import parse_mutes
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.rows import RowKey

FULL_CONDITION = Condition(NO_MUTE, FULL)


def explained(error: Exception, mutes: tuple[str, ...] = ("zero",), **inputs: Any) -> str:
    given = {"x": torch.ones(3, 2)} | inputs
    return str(explain_failure(error, "net", "file.h5", given, parse_mutes(mutes)))


@pytest.mark.parametrize(
    ("error", "mutes", "remedy"),
    [
        (torch.cuda.OutOfMemoryError("full"), ("absent",), "Take a smaller batch_size"),
        (TypeError("None"), ("absent",), "shows None in place of an input: does the network"),
        (ValueError("shape"), ("zero",), "takes batches of any size"),
    ],
)
def test_the_remedy_fits_the_error(error: Exception, mutes: tuple[str, ...], remedy: str) -> None:
    found = explained(error, mutes)
    assert found.startswith("network 'net' failed on inputs {'x': '(3, 2) float32'} from file.h5")
    assert remedy in found


def test_the_mute_under_which_a_network_fails_is_named() -> None:
    error: Any = IndexError("index out of range in self")
    error.condition = Condition("empty", frozenset({"ids"}))
    found = explained(error)
    assert "network 'net' failed under empty(ids)" in found
    assert "does not accept what 'empty' puts in the place of ids" in found


def test_inputs_that_are_no_floats_are_named_where_types_do_not_fit() -> None:
    error = RuntimeError("Input type (unsigned char) and bias type (float) should be the same")
    found = explained(error, picture=torch.ones(3, 2, dtype=torch.uint8))
    assert "picture hold no floating-point numbers. Give what the network takes" in found
    assert "hold no floating-point numbers" not in explained(error)


CHECKS = RowChecks("net", "file.h5", ["a", "b", "c"])
STATISTIC = METRICS["mse"].statistic
KEY = RowKey(FULL_CONDITION, "y", STATISTIC.name)


def test_the_first_sample_that_is_not_finite_is_named() -> None:
    CHECKS.check_outputs({KEY: np.ones((3, 1))})
    with pytest.raises(
        InfluenceError, match=r"in output 'y' for sample 'b' of file\.h5 under full"
    ):
        CHECKS.check_outputs({KEY: np.array([[1.0], [0.0], [0.0]])})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_statistic_that_is_not_finite_is_named(bad: float) -> None:
    rows = np.ones((3, 2))
    CHECKS.check_rows({KEY: rows})
    rows[2, 1] = bad
    message = f"{STATISTIC.name!r} of output 'y' is NaN or infinite for sample 'c' under full"
    with pytest.raises(InfluenceError, match=re.escape(message)):
        CHECKS.check_rows({KEY: rows})


def test_a_sample_without_truth_is_named_unless_none_is_needed() -> None:
    rows = np.ones((3, 3))
    CHECKS.check_truth(KEY, STATISTIC, rows)
    rows[0] = 0
    with pytest.raises(InfluenceError, match="sample 'a' has no valid ground truth in targets/y"):
        CHECKS.check_truth(KEY, STATISTIC, rows)
    change = METRICS["absolute_change"].statistic
    CHECKS.check_truth(KEY, change, np.zeros((3, 3)))
