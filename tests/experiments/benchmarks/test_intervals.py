"""BootStrapper and ours resample the same scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.benchmarks.intervals import (
    bootstrapped,
    forty_classes,
    metric_arguments,
    time_intervals,
)
from experiments.benchmarks.subject import prepared


def tiny() -> dict[str, object]:
    return {"network": forty_classes(16, 24, classes=3), "samples": 30}


def test_the_intervals_of_both_are_alike() -> None:
    torch.manual_seed(0)
    network = forty_classes(16, 24, classes=3)
    with prepared(network, samples=30, unlabelled=0.0) as subject:
        theirs = bootstrapped(metric_arguments(subject), 200, classes=3)
        run = subject.measure("memory", mutes=["zero"], draws=200)
    ours = run.performance[run.performance["level"] == "all"].set_index(["setup", "metric"])
    assert len(theirs) == 3 * 9
    widths = []
    for key, (low, high) in theirs.items():
        row = ours.loc[key]
        assert low <= row["value"] + 1e-6
        assert high >= row["value"] - 1e-6
        if row["high"] > row["low"]:
            widths.append(float(high - low) / (row["high"] - row["low"]))
    # Ours are wider for few samples, by Student's t: 1.06 for 30.
    assert np.median(widths) == pytest.approx(1 / 1.06, abs=0.1)


def test_records() -> None:
    records = time_intervals(
        1, network=forty_classes(16, 24, classes=3), samples=20, draws=50, few=2
    )
    assert [(r["contender"], r["draws"], r["wanted_draws"]) for r in records] == [
        ("influence", 50, 50),
        ("BootStrapper", 2, 50),
        ("BootStrapper", 4, 50),
    ]
    assert all(r["seconds"] > 0 and r["n"] == 20 and r["classes"] == 3 for r in records)
