from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.training.stamps import check_stamp
from influence.errors import InfluenceError


def test_a_new_folder_is_stamped_and_taken_again(tmp_path: Path) -> None:
    facts = {"epochs": 3, "slow_parts": ("a", "b"), "rate": 1e-3}
    check_stamp(tmp_path / "run", facts)
    found = json.loads((tmp_path / "run" / "stamp.json").read_text())
    assert found == {"epochs": 3, "slow_parts": ["a", "b"], "rate": 1e-3}
    check_stamp(tmp_path / "run", facts)


def test_every_difference_is_told(tmp_path: Path) -> None:
    check_stamp(tmp_path, {"epochs": 3, "rate": 1e-3, "old": 1})
    with pytest.raises(
        InfluenceError, match=r"\(epochs: 3 there, 4 now; new: None there, x now; old: 1 there"
    ):
        check_stamp(tmp_path, {"epochs": 4, "rate": 1e-3, "new": "x"})


def test_a_state_without_a_stamp_is_refused_but_finished_weights_are_taken(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(InfluenceError, match=r"no stamp\.json"):
        check_stamp(tmp_path, {})
    (tmp_path / "weights.safetensors").touch()
    check_stamp(tmp_path, {})
    assert not (tmp_path / "stamp.json").exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\udcff"])
def test_a_damaged_stamp_is_a_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "stamp.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InfluenceError, match="stamp"):
        check_stamp(tmp_path, {})


def test_a_run_goes_on_only_with_what_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    check_stamp(folder, {"epochs": 10})
    check_stamp(folder, {"epochs": 10})
    message = "run: the training in this folder began with other settings "
    with pytest.raises(InfluenceError, match=message):
        check_stamp(folder, {"epochs": 12})
