"""Contenders take turns, and every time taken has its record."""

from __future__ import annotations

from experiments.benchmarks.parts import conditions_of
from experiments.benchmarks.subject import Subject
from experiments.benchmarks.timing import interleave, time_case
from tests.experiments.benchmarks.tiny import FUSION, SAMPLES


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
    run = fusion.measure("memory", setups=FUSION.setups, mutes=list(FUSION.mutes), draws=2)
    measured = next(iter(run.rows.values())).conditions()
    assert set(conditions_of(FUSION, fusion)) == set(measured)
    assert len(measured) == 4
