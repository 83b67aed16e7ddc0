"""Faults: the sample and the remedy that they name."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from influence.data.dataset import Batch
from influence.engine.faults import Faults
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from influence.mutes.mute import BatchInputs
from influence.plan.conditions import Condition
from influence.statistics.rows import RowKey

FAULTS = Faults("net", "file.h5")
FULL = Condition("none", frozenset())
STATISTIC = METRICS["mse"].statistic
KEY = RowKey(FULL, "y", STATISTIC.name)
BATCH = Batch(np.arange(3), {"x": torch.ones(3, 2)}, {"y": torch.ones(3, 2)}, ids=["a", "b", "c"])


@pytest.mark.parametrize(
    ("error", "absent", "remedy"),
    [
        (torch.OutOfMemoryError("full"), True, "Take a smaller batch size"),
        (TypeError("None"), True, "shows None in place of an input: does the network accept it?"),
        (ValueError("shape"), False, "takes batches of any size"),
    ],
)
def test_the_remedy_fits_the_error(error: Exception, absent: bool, remedy: str) -> None:
    signals = BatchInputs(BATCH.inputs, BATCH.indices, {}, {})
    found = str(FAULTS.of_forward(signals, error, absent=absent))
    assert found.startswith("network 'net' failed on inputs of shape {'x': (3, 2)} from file.h5")
    assert remedy in found


def test_an_error_that_says_what_is_wrong_is_left_as_it_is() -> None:
    error = InfluenceError("as it is")
    signals = BatchInputs(BATCH.inputs, BATCH.indices, {}, {})
    assert FAULTS.of_forward(signals, error, absent=False) is error


def test_the_first_sample_that_is_not_finite_is_named() -> None:
    FAULTS.check_outputs(BATCH, KEY, np.array([True, True, True]))
    with pytest.raises(
        InfluenceError, match=r"in output 'y' for sample 'b' of file\.h5 under full"
    ):
        FAULTS.check_outputs(BATCH, KEY, np.array([True, False, False]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_statistic_that_is_not_finite_is_named(bad: float) -> None:
    rows = np.ones((3, 2))
    FAULTS.check_rows(BATCH, {KEY: rows})
    rows[2, 1] = bad
    message = f"'y' is scored by ({STATISTIC.name}) is NaN or infinite for sample 'c' under full"
    with pytest.raises(InfluenceError, match=re.escape(message)):
        FAULTS.check_rows(BATCH, {KEY: rows})


def test_a_sample_without_truth_is_named_unless_none_is_needed() -> None:
    rows = np.ones((3, 3))
    FAULTS.check_truth(BATCH, KEY, STATISTIC, rows)
    rows[0] = 0
    with pytest.raises(InfluenceError, match="sample 'a' has no valid ground truth in targets/y"):
        FAULTS.check_truth(BATCH, KEY, STATISTIC, rows)
    change = METRICS["absolute_change"].statistic
    FAULTS.check_truth(BATCH, KEY, change, np.zeros((3, 3)))
