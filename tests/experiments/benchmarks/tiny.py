"""Tiny versions of the benchmark's networks, and a case for each."""

from __future__ import annotations

from collections.abc import Callable

from influence.network.joint_network import JointNetwork

from experiments.benchmarks.cases import CASES
from experiments.benchmarks.networks import cross_attention, jrn, late_fusion, three_inputs
from models.jrn import VARIANTS

SAMPLES = 20
"""Two batches, the last of them not full."""

TINY: dict[str, Callable[[], JointNetwork]] = {
    "late-fusion": lambda: late_fusion(size=32, width=4),
    "three-inputs": lambda: three_inputs(size=32, width=4),
    "cross-attention": lambda: cross_attention(size=16, width=32, layers=1),
    "jrn-sum60": lambda: jrn(VARIANTS["sum60"], "jrn-sum60", 16, 24),
    "jrn-cat60": lambda: jrn(VARIANTS["cat60"], "jrn-cat60", 16, 24),
}
"""By the names of `NETWORKS`."""

FUSION = CASES["late fusion"]
