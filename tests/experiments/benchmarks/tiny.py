"""Tiny versions of the benchmark's networks, and a case for each."""

from __future__ import annotations

from collections.abc import Callable

from experiments.benchmarks.cases import CASES
from experiments.benchmarks.networks import (
    cross_attention,
    image_and_text,
    jrn,
    late_fusion,
    tables,
    three_inputs,
    two_texts,
)
from influence.network.joint_network import JointNetwork
from models.jrn import VARIANTS

SAMPLES = 20
"""Two batches, the last of them not full."""

TINY: dict[str, Callable[[], JointNetwork]] = {
    "late-fusion": lambda: late_fusion(size=32, width=4),
    "three-inputs": lambda: three_inputs(size=32, width=4),
    "cross-attention": lambda: cross_attention(size=16, width=32, layers=1),
    "tables": lambda: tables(columns=3, hidden=8),
    "two-texts": lambda: two_texts(length=5, width=32),
    "image-and-text": lambda: image_and_text(size=16, length=5, width=32, layers=1),
    "jrn-sum60": lambda: jrn(VARIANTS["sum60"], "jrn-sum60", 16, 24),
    "jrn-cat60": lambda: jrn(VARIANTS["cat60"], "jrn-cat60", 16, 24),
}
"""By the names of `NETWORKS`."""

FUSION = CASES["late fusion"]
