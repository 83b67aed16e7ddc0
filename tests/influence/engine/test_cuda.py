"""The same numbers on a GPU as on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from influence.measurement.pipeline import measure
from influence.mutes.optimal import learn_optimal
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.runtime.execution import Execution
from tests.toy import toy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
MUTES = ["zero", "mean", "shuffle", "noise"]


def test_cuda_gives_the_same_omega_as_the_cpu(toy_file: Path) -> None:
    runs = {
        device: measure(toy(), toy_file, mutes=MUTES, device=device) for device in ("cpu", "cuda")
    }
    numbers = ["full", "muted", "omega", "omega_low", "omega_high"]
    pd.testing.assert_frame_equal(
        runs["cuda"].influence[numbers], runs["cpu"].influence[numbers], atol=1e-4, rtol=0
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(toy(), tmp_path / "toy.pt2", example)
    return tmp_path / "toy.pt2"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"execution": Execution(channels_last=True)},
        {"execution": Execution(compile=True)},
        {"execution": Execution(workers=2)},
        {"stream": True},
    ],
    ids=str,
)
def test_shared_path_gives_on_cuda_what_each_setup_gives_by_itself(
    toy_file: Path, checkpoint: Path, options: dict[str, Any]
) -> None:
    known: dict[str, Any] = {"mutes": MUTES, "device": "cuda", "setups": "ends"}
    plain = measure(
        load_checkpoint(checkpoint), toy_file, execution=Execution(share=False), **known
    )
    shared = measure(load_checkpoint(checkpoint), toy_file, **known, **options)
    assert shared.info["paths"] == {"toy": "shared"}
    gap = (plain.performance["value"] - shared.performance["value"]).abs()
    assert gap.max() < 1e-4


def test_edges_and_distances_are_those_of_the_cpu(toy_file: Path, checkpoint: Path) -> None:
    runs = [
        measure(
            load_checkpoint(checkpoint), toy_file, device=device, mutes=MUTES, levels=["region"],
            sites=["depth", "edge:conv"], metrics={"depth": ["rms", "relative_change"]},
        )
        for device in ("cpu", "cuda")
    ]  # fmt: skip
    cpu, cuda = (run.influence["omega"] for run in runs)
    pd.testing.assert_series_equal(cuda, cpu, atol=1e-4, rtol=0)
    near, far = (run.distance[["distance", "outside"]] for run in runs)
    pd.testing.assert_frame_equal(far, near, rtol=1e-3, atol=0)


def test_constants_learned_are_those_of_the_cpu(toy_file: Path, checkpoint: Path) -> None:
    cpu, cuda = (
        learn_optimal(load_checkpoint(checkpoint), toy_file, steps=30, execution=Execution(device))
        for device in ("cpu", "cuda")
    )
    for site, constant in cpu.items():
        assert cuda[site] == pytest.approx(constant, abs=1e-3)


def test_mixed_precision_stays_near(toy_file: Path) -> None:
    full = measure(toy(), toy_file, mutes=["zero"], device="cuda").influence["omega"]
    mixed = measure(
        toy(), toy_file, mutes=["zero"], execution=Execution("cuda", amp="bf16")
    ).influence["omega"]
    assert (full - mixed).abs().max() < 0.1
