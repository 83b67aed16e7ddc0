"""FLOPs are those of the layers, and sharing saves what it can."""

from __future__ import annotations

import pytest

from experiments.benchmarks.parts import count_flops
from experiments.benchmarks.subject import Subject
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
