"""Refilling: the same program with other facts, or no file at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from influence.checkpoints import export_checkpoint, load_checkpoint
from influence.errors import InfluenceError
from influence.refilling import refill_checkpoint
from tests.influence.programs.archives import honest_file, members_of, pack
from tests.toy import toy, toy_arrays


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    inputs = {name: torch.from_numpy(x[:2]) for name, x in toy_arrays()["inputs"].items()}
    export_checkpoint(toy(), tmp_path / "old.pt2", inputs)
    return tmp_path / "old.pt2"


def test_refilled_checkpoint_has_the_same_program_and_facts(exported: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.pt2"
    refill_checkpoint(exported, new, {"semantic": (0.5, 0.25, 0.25), "depth": [2]})
    one, other = members_of(exported.read_bytes()), members_of(new.read_bytes())
    assert list(one) == list(other)
    assert [name for name in one if one[name] != other[name]] == ["extra/influence.json"]
    old, net = load_checkpoint(exported), load_checkpoint(new)
    facts = net.facts()
    assert [item.pop("optimal") for item in facts["inputs"]] == [(2.0,), (0.5, 0.25, 0.25)]
    expected = old.facts()
    assert [item.pop("optimal") for item in expected["inputs"]] == [None, None]
    assert facts == expected
    assert net.sha256 != old.sha256
    inputs = {name: torch.from_numpy(x[:3]) for name, x in toy_arrays()["inputs"].items()}
    torch.export.load(new)  # torch itself takes it
    for name, value in old(inputs).items():
        assert torch.equal(net(inputs)[name], value)


def test_unknown_facts_outlive_a_refill(tmp_path: Path) -> None:
    facts = {"inputs": [{"name": "x", "later": 1}, {"name": "y"}], "outputs": [{"name": "z"}]}
    text = json.dumps(facts | {"later": [2]}).encode()
    members = members_of(honest_file()) | {"extra/influence.json": text}
    (tmp_path / "old.pt2").write_bytes(pack(members))
    refill_checkpoint(tmp_path / "old.pt2", tmp_path / "new.pt2", {"x": [0.5]})
    found = json.loads(members_of((tmp_path / "new.pt2").read_bytes())["extra/influence.json"])
    assert found["later"] == [2]
    assert found["inputs"][0] == {"name": "x", "later": 1, "optimal": [0.5]}


@pytest.mark.parametrize(
    ("old", "new", "constants", "message"),
    [
        ("a.pt2", "a.pt2", {"x": [1.0]}, r"a\.pt2 is there, and is not written over"),
        ("a.pt2", "b.pt", {"x": [1.0]}, r"ends in \.pt2, got .*b\.pt"),
        ("a.safetensors", "b.pt2", {"x": [1.0]}, "files of weights hold no facts"),
        ("gone.pt2", "b.pt2", {"x": [1.0]}, "could not read the checkpoint"),
        ("a.pt2", "b.pt2", {"xx": [1.0]}, "unknown input 'xx': did you mean 'x'"),
        ("a.pt2", "b.pt2", {"x": [float("nan")]}, "optimal has to be a list of finite numbers"),
    ],
)
def test_bad_refills_write_nothing(
    tmp_path: Path, old: str, new: str, constants: dict[str, list[float]], message: str
) -> None:
    (tmp_path / "a.pt2").write_bytes(honest_file())
    with pytest.raises(InfluenceError, match=message):
        refill_checkpoint(tmp_path / old, tmp_path / new, constants)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt2"]
    assert (tmp_path / "a.pt2").read_bytes() == honest_file()
