"""Checks of checkpoints: what was compared with a checksum is said, and what was not."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import safetensors.torch
import torch

from influence.errors import InfluenceError
from influence.network.checkpoint_check import check_checkpoint
from influence.network.checkpoints import load_checkpoint
from influence.network.joint_network import JointNetwork

WEIGHTS = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}


def network() -> JointNetwork:
    return JointNetwork(torch.nn.Linear(2, 1), inputs=("x",), outputs=("y",))


def test_archives(tmp_path: Path) -> None:
    torch.save(WEIGHTS, path := tmp_path / "a.pt")
    assert check_checkpoint(path) == [
        "a.pt: weights of torch.save, every byte was read",
        "  as the checksums of its members say",
        "  no hash beside it (a.pt.sha256)",
    ]
    changed = bytearray(path.read_bytes())
    changed[changed.index(WEIGHTS["weight"].numpy().tobytes()) + 2] ^= 1
    path.write_bytes(changed)
    for read in (check_checkpoint, lambda path: load_checkpoint(path, network())):
        with pytest.raises(InfluenceError, match=r"checkpoint .*a\.pt: its member .* checksum"):
            read(path)


@pytest.mark.parametrize("in_folder", [False, True])
def test_safetensors_have_a_hash_beside_them_or_nothing(tmp_path: Path, in_folder: bool) -> None:
    path = tmp_path / "a.safetensors"
    named = tmp_path if in_folder else path
    path.write_bytes(data := safetensors.torch.save(WEIGHTS))
    assert check_checkpoint(named) == [
        "a.safetensors: safetensors, every byte was read",
        "  its format keeps no checksums, so that changed bits cannot be found",
        "  no hash beside it (a.safetensors.sha256)",
    ]
    (tmp_path / "a.safetensors.sha256").write_text(sha256(data).hexdigest())
    assert check_checkpoint(named)[-1] == "  as its hash says (a.safetensors.sha256)"
    load_checkpoint(named, network())
    path.write_bytes(data[:-1] + b"\1")
    for read in (check_checkpoint, lambda path: load_checkpoint(path, network())):
        with pytest.raises(InfluenceError, match=r"a\.safetensors has the SHA-256 .* records"):
            read(named)


def test_a_folder_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="a folder without"):
        check_checkpoint(tmp_path)
