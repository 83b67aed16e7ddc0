"""Rows of finished batches survive; those of another plan are not mixed in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from influence.errors import InfluenceError
from influence.runtime import shards
from influence.runtime.files import make_temporary
from influence.runtime.shards import ShardStore

PLAN = {"seed": 0, "mutes": ("zero",)}
ROWS = {"full/y/errors": np.array([[0.1, 1 / 3]])}
SAMPLES = np.array([4]), "digest of the samples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = ShardStore(tmp_path / "shards", PLAN)
    store.save(2, ROWS, *SAMPLES)
    store.save(0, ROWS, *SAMPLES)
    return tmp_path / "shards"


def test_resume_finds_what_was_saved_to_the_bit(folder: Path) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    assert store.finished() == [0, 2]
    assert store.load(2, SAMPLES[0])["full/y/errors"].tolist() == ROWS["full/y/errors"].tolist()


def test_without_resume_it_starts_afresh(folder: Path) -> None:
    assert ShardStore(folder, PLAN).finished() == []


def test_resume_with_another_plan_is_refused_and_keeps_the_shards(folder: Path) -> None:
    with pytest.raises(InfluenceError, match=r"with other mutes, seed\. Resume with"):
        ShardStore(folder, {"seed": 1, "mutes": ["mean"]}, resume=True)
    assert ShardStore(folder, PLAN, resume=True).finished() == [0, 2]


def test_half_written_shard_does_not_count(folder: Path) -> None:
    (folder / ".00000001.npz.99.writing.npz").write_bytes(b"half")
    assert ShardStore(folder, PLAN, resume=True).finished() == [0, 2]


def test_only_its_own_files_are_cleared(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    ShardStore(folder, PLAN)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "plan.json"]


def test_files_of_others_are_never_cleared_and_their_folder_stays(folder: Path) -> None:
    others = [
        "3.npz",
        "00000001.safetensors",
        "00000001-xyz.safetensors",
        "notes.json",
        "optimal.json.bak",
    ]
    for name in others:
        (folder / name).write_text("mine")
    ShardStore(folder, PLAN)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, "plan.json"])
    ShardStore.remove(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)
    for resume in (False, True):
        with pytest.raises(InfluenceError, match=r"holds no plan\.json, or .* Move it away"):
            ShardStore(folder, PLAN, resume=resume)
    ShardStore.remove(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)


def test_all_of_a_finished_run_is_removed(folder: Path) -> None:
    ShardStore(folder, PLAN, resume=True).save_json("trials", [])
    ShardStore.remove(folder)
    assert not folder.exists()
    ShardStore.remove(folder)


def test_a_folder_that_a_killed_run_has_just_made_is_used(folder: Path) -> None:
    made = folder.parent / "made"
    made.mkdir()
    make_temporary(made, "plan.json")
    assert ShardStore(made, PLAN, resume=True).finished() == []
    (folder.parent / "file").touch()
    with pytest.raises(InfluenceError, match=r"file is there and holds no plan\.json"):
        ShardStore(folder.parent / "file", PLAN)


def test_trials_are_kept_for_whoever_goes_on(folder: Path) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    assert store.load_json("trials") is None
    store.save_json("trials", [{"shared": True}])
    assert ShardStore(folder, PLAN, resume=True).load_json("trials") == [{"shared": True}]
    assert ShardStore(folder, PLAN).load_json("trials") is None


@pytest.mark.parametrize("content", [b"", b"\x20\0\0\0\0\0\0\0{ half of", None])
def test_damaged_shard_is_reported(folder: Path, content: bytes | None) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    (path,) = folder.glob("00000002*.safetensors")
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InfluenceError, match=r"00000002.*damaged file .* Remove that file and go"):
        store.load(2, SAMPLES[0])
    assert store.load(0, SAMPLES[0]).keys() == ROWS.keys()


def test_lost_shard_is_reported(folder: Path) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    ShardStore(folder, PLAN)  # another run starts afresh in the same folder
    with pytest.raises(InfluenceError, match=r"00000002.* removed.* no other run"):
        store.load(2, SAMPLES[0])


DAMAGED = [b"", b"{", b"\xff"]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_notes_are_reported(folder: Path, content: bytes) -> None:
    (folder / "trials.json").write_bytes(content)
    with pytest.raises(InfluenceError, match=r"trials\.json: .* damaged file .* Start afresh"):
        ShardStore(folder, PLAN, resume=True).load_json("trials")
    assert ShardStore(folder, PLAN).load_json("trials") is None


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_plan_is_reported(folder: Path, content: bytes, resume: bool) -> None:
    (folder / "plan.json").write_bytes(content)
    with pytest.raises(InfluenceError, match=r"plan\.json: .* damaged file .* Remove .*shards"):
        ShardStore(folder, PLAN, resume=resume)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("content", ["[1]", '{"my": "plan"}'])
def test_plan_of_another_program_is_left_alone(folder: Path, content: str, resume: bool) -> None:
    (folder / "plan.json").write_text(content)
    before = sorted(folder.iterdir())
    with pytest.raises(InfluenceError, match=r"or one of another program: .* Move it away"):
        ShardStore(folder, PLAN, resume=resume)
    ShardStore.remove(folder)
    assert sorted(folder.iterdir()) == before


def test_rows_of_other_samples_are_not_taken(folder: Path) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    with pytest.raises(InfluenceError, match=r"got those of 1 others\. The batches are not those"):
        store.load(2, np.array([4, 5]))


@pytest.mark.parametrize("stamp", [b"5", b"[" * 100_000, b'["a"]'])
def test_stamp_of_another_form_is_noticed(folder: Path, stamp: bytes) -> None:
    store, path = ShardStore(folder, PLAN, resume=True), next(folder.glob("00000002-*"))
    path.write_bytes(save({**load(path.read_bytes()), "stamp": np.frombuffer(stamp, np.uint8)}))
    with pytest.raises(InfluenceError, match="damaged file"):
        store.load(2, SAMPLES[0])


def test_shards_of_two_jobs_in_one_folder_are_not_mixed(folder: Path) -> None:
    first = ShardStore(folder, PLAN, resume=True)
    other = ShardStore(folder, {"seed": 1})  # started meanwhile
    first.save(1, ROWS, *SAMPLES)
    assert other.finished() == []
    other.save(1, {"full/y/errors": np.zeros((1, 2))}, *SAMPLES)
    assert first.load(1, SAMPLES[0])["full/y/errors"].tolist() == ROWS["full/y/errors"].tolist()
    assert ShardStore(folder, {"seed": 1}, resume=True).finished() == [1]


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update({"full/y/errors": ROWS["full/y/errors"] + 1e-9}),
        lambda held: held.update(indices=np.array([5])),
        lambda held: held.pop("full/y/errors"),
        lambda held: held.pop("stamp"),
        lambda held: held.update(stamp=np.array([97, 200], np.uint8)),
    ],
)
def test_changed_shard_is_noticed(
    folder: Path, change: Callable[[dict[str, np.ndarray]], Any]
) -> None:
    store, path = ShardStore(folder, PLAN, resume=True), next(folder.glob("00000002-*"))
    held = load(path.read_bytes())
    change(held)
    path.write_bytes(save(held))
    with pytest.raises(InfluenceError, match=r"damaged file .* Remove that file and go on"):
        store.load(2, SAMPLES[0])


def test_shard_of_another_batch_is_noticed(folder: Path) -> None:
    store = ShardStore(folder, PLAN, resume=True)
    path = next(folder.glob("00000002-*.safetensors"))
    path.rename(path.with_name(path.name.replace("00000002", "00000007")))
    with pytest.raises(InfluenceError, match="its checksum is another one"):
        store.load(7, SAMPLES[0])


def test_array_that_claims_more_than_the_file_holds_is_refused(folder: Path) -> None:
    store, path = ShardStore(folder, PLAN, resume=True), next(folder.glob("00000002-*"))
    claim = {"stamp": {"dtype": "F64", "shape": [10**12], "data_offsets": [0, 8 * 10**12]}}
    header = json.dumps(claim).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InfluenceError, match=r"damaged file .* Remove that file and go on"):
        store.load(2, SAMPLES[0])


def test_rows_in_any_order_in_memory_come_back(tmp_path: Path) -> None:
    rows = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    store = ShardStore(tmp_path / "shards", PLAN)
    store.save(0, {"rows": rows}, *SAMPLES)
    assert store.load(0, SAMPLES[0])["rows"].tolist() == rows.tolist()


@pytest.mark.parametrize("name", ["1e5", "0x1", "99999999999999"])
def test_files_of_other_names_are_no_shards(folder: Path, name: str) -> None:
    path = next(folder.glob("00000002-*.safetensors"))
    path.rename(path.with_name(path.name.replace("00000002", name)))
    assert ShardStore(folder, PLAN, resume=True).finished() == [0]


def test_pipe_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "trials.json")
    with pytest.raises(InfluenceError, match="is a pipe"):
        ShardStore(folder, PLAN, resume=True).load_json("trials")


def test_versions_belong_to_the_plan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "version", lambda package: "99")
    with pytest.raises(InfluenceError, match="started with other versions"):
        ShardStore(folder, PLAN, resume=True)
