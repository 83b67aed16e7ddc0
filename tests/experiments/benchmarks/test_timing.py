"""FLOPs are those of the layers, and sharing saves what it can."""

from __future__ import annotations

import pytest

from experiments.benchmarks.subject import Subject
from experiments.benchmarks.timing import conditions_of, count_flops, interleave, time_case
from tests.experiments.benchmarks.tiny import FUSION, SAMPLES


def resnet_flops(channels: int, width: int, size: int) -> int:
    """Count two FLOPs a weight and place of ResNet-18's convolutions, from its table."""
    macs = 49 * channels * width * (size // 2) ** 2
    before = width
    for stage in range(4):
        after, places = width * 2**stage, (size // 4 // 2**stage) ** 2
        macs += 9 * places * (before * after + 3 * after * after)
        macs += places * before * after if stage else 0
        before = after
    return 2 * macs


def test_counts_of_a_late_fusion(fusion: Subject) -> None:
    found = {record["what"]: record["flops"] for record in count_flops(FUSION, fusion)}
    encoder = resnet_flops(3, 4, 32)
    head = 2 * (64 * 256 + 256 * 10 + 256 * 1)
    assert found["plain"] == SAMPLES * (2 * encoder + head)
    assert found["each setup by itself"] == 4 * found["plain"]
    # Each encoder runs on the data, and once at all on a muted input; the head runs for each
    # setup but the one in which everything is muted.
    assert found["shared"] == pytest.approx(
        SAMPLES * (2 * encoder + 3 * head) + 2 * encoder + head, rel=0.02
    )


def test_every_round_runs_every_task_and_begins_with_another() -> None:
    calls: list[str] = []
    tasks = {name: lambda name=name: calls.append(name) for name in "abc"}
    found = interleave(tasks, 4)
    assert "".join(calls) == "abcbcacababc"
    assert [(number, key) for number, key, _, _ in found] == [
        (place // 3, name) for place, name in enumerate(calls)
    ]
    assert all(seconds >= 0 for _, _, seconds, _ in found)


def test_records_of_a_case(fusion: Subject) -> None:
    lines: list[str] = []
    records = time_case(FUSION, fusion, 2, lines.append)
    assert len(lines) == len(records)
    timed = {(r["source"], r["contender"]) for r in records}
    everywhere = ["influence", *FUSION.limits, "reading"]
    assert timed == {
        *((source, name) for source in ("memory", "file") for name in everywhere),
        *(("memory", part) for part in ("forward", "shared", "metrics")),
    }
    assert len(records) == 2 * len(timed)
    for record in records:
        assert record["seconds"] > 0
        assert (record["n"], record["resolution"], record["batch_size"]) == (SAMPLES, "32x32", 16)
        if record["contender"] == "influence":
            assert 0 < record["evaluate"] + record["statistics"] <= record["seconds"] + 2e-3
        else:
            assert record["statistics"] == 0


def test_conditions_are_those_that_are_measured(fusion: Subject) -> None:
    run = fusion.measure("memory", setups=FUSION.setups, mutes=list(FUSION.mutes), draws=10)
    measured = next(iter(run.rows.values())).conditions()
    assert set(conditions_of(FUSION, fusion)) == set(measured)
    assert len(measured) == 4


def test_each_round_starts_with_another_task() -> None:
    found = interleave({"a": dict, "b": dict}, rounds=2)
    assert [item[:2] for item in found] == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]
