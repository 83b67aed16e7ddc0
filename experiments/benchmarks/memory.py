"""Memory: the peak of a streamed measurement of few and of many samples, a process each.

python -m experiments.benchmarks.memory SAMPLES
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from experiments.benchmarks.networks import jrn
from experiments.benchmarks.subject import MemoryBatch, draw_maps
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from models.jrn import VARIANTS

__all__ = ["CASE", "SIZES", "measure_peaks", "stream_batches"]

CASE = "memory"
SIZES = 2_000, 20_000
HEIGHT, WIDTH = 24, 32
BATCH = 16
ROOT = Path(__file__).parents[2]


def measure_peaks(
    rounds: int, sizes: tuple[int, ...] = SIZES, report: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Measure streams of these sizes in turn, each in a fresh process.

    Returns
    -------
    list of dict
        One record a round and size, with the largest resident memory in mebibytes.
    """
    records = []
    for number in range(rounds):
        for samples in sizes:
            found = subprocess.run(
                [sys.executable, "-m", "experiments.benchmarks.memory", str(samples)],
                check=True,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            peak = float(found.stdout)
            report(f"round {number + 1} of {rounds}: {samples} samples: {peak:.0f} MiB")
            records.append(
                {
                    "case": CASE,
                    "samples": samples,
                    "round": number,
                    "peak_mebibytes": peak,
                    "resolution": f"{WIDTH}x{HEIGHT}",
                }
            )
    return records


def stream_batches(network: JointNetwork, samples: int) -> Iterator[MemoryBatch]:
    """Draw batches one after the other; none is kept."""
    stream = torch.Generator().manual_seed(0)
    classes = len(network.outputs[1].classes)
    for start in range(0, samples, BATCH):
        count = min(BATCH, samples - start)
        inputs = {m.name: draw_maps(m, count, stream) for m in network.inputs}
        labels = torch.randint(0, classes, (count, HEIGHT, WIDTH), generator=stream)
        yield inputs, {"depth": inputs["depth"][:, 0] + 0.1, "semantic": labels}


def main(samples: int) -> float:
    """Measure a stream; return the peak of this process in mebibytes."""
    torch.set_num_threads(1)
    network = jrn(VARIANTS["cat1"], "jrn-cat1", HEIGHT, WIDTH)
    measure(network, stream_batches(network, samples), mutes=["zero"], stream=True)
    return _peak()


def _peak() -> float:
    """Return the largest resident memory of this process, in mebibytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux ru_maxrss of a new process begins with that of the one that started it.
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kibibytes
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
