"""The same numbers on a GPU as on the CPU."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from influence.measurement import measure
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


def test_mixed_precision_stays_near(toy_file: Path) -> None:
    full = measure(toy(), toy_file, mutes=["zero"], device="cuda").influence["omega"]
    mixed = measure(toy(), toy_file, mutes=["zero"], device="cuda", amp="bf16").influence["omega"]
    assert (full - mixed).abs().max() < 0.1
