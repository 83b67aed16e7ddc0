"""The stream makes its samples on the fly, and its peak is that of its own process."""

from __future__ import annotations

from experiments.benchmarks.memory import measure_peaks, stream_batches
from tests.experiments.benchmarks.tiny import TINY


def test_the_stream_has_no_length_and_as_many_samples() -> None:
    network = TINY["jrn-sum60"]()
    batches = stream_batches(network, 40)
    assert not hasattr(batches, "__len__")
    assert [len(targets["semantic"]) for _, targets in batches] == [16, 16, 8]


def test_peaks_are_of_processes_of_their_own() -> None:
    held = bytearray(2**30)  # more than such a process needs; it must not inherit it
    lines: list[str] = []
    records = measure_peaks(1, (17,), lines.append)
    assert len(held) == 2**30
    assert [record["samples"] for record in records] == [17]
    assert all(100 < record["peak_mebibytes"] < 900 for record in records)
    assert len(lines) == 1
