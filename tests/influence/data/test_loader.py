"""Batches in order, and for a shuffle mute the partners, with one read of each sample."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from influence.data.dataset import Batch
from influence.data.derangement import Derangement, random_order
from influence.data.evaluation_file import EvaluationFile
from influence.data.loader import (
    agree_on_derangement,
    exchange_in_pairs,
    limit_batches,
    load_batches,
    with_followers,
)
from influence.data.memory import MemorySet
from influence.data.source import BatchStream
from influence.errors import InfluenceError
from influence.runtime.execution import Session
from influence.runtime.shards import ShardStore
from tests.toy import write_toy_file


def numbered(count: int) -> MemorySet:
    return MemorySet.collect([({"x": torch.arange(count).float()}, {"y": torch.ones(count)})])


@pytest.mark.parametrize("size", [1, 3, 11, 20])
def test_follower_is_the_next_sample_of_the_cycle(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, order = numbered(11), random_order(11, seed=1)
    circle = Derangement((order,))
    reads: Counter[int] = Counter()
    plain = MemorySet.read

    def counted(self: MemorySet, indices: NDArray[np.int64]) -> Batch:
        reads.update(indices.tolist())
        return plain(self, indices)

    monkeypatch.setattr(MemorySet, "read", counted)
    batches = [order[i : i + size] for i in range(0, 11, size)]
    seen, partners = [], []
    for batch, follower in with_followers(load_batches(data, batches), data, circle):
        assert follower is not None
        seen += batch.indices.tolist()
        partners += [*batch.inputs["x"][1:].tolist(), follower["x"].item()]
    assert seen == order.tolist()
    assert partners == np.roll(order, -1).tolist()
    assert reads == Counter(range(11))


def test_cycles_longer_than_a_batch_are_closed_without_another_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cycles = (np.arange(7), np.array([8, 7]), np.array([9, 11, 10]), np.arange(12, 17))
    data, found = numbered(17), Derangement(cycles)
    reads: list[int] = []
    plain = MemorySet.read

    def counted(self: MemorySet, indices: NDArray[np.int64]) -> Batch:
        reads.extend(indices.tolist())
        return plain(self, indices)

    monkeypatch.setattr(MemorySet, "read", counted)
    shown: dict[int, float] = {}
    batches = found.cut(3)
    assert [len(batch) for batch in batches] == [3, 3, 1, 2, 3, 3, 2]
    partners = [found.partners(batch) for batch in batches]
    for batch, follower in with_followers(
        load_batches(data, batches, partners=partners), data, found
    ):
        assert follower is not None
        x = batch.inputs["x"]
        inside = x[1:] if batch.partners is None else x[torch.from_numpy(batch.partners)]
        own = [*inside.tolist(), follower["x"].item()]
        shown |= dict(zip(batch.indices.tolist(), own, strict=True))
    assert shown == dict(enumerate(found.follows.tolist()))
    assert sorted(reads) == list(range(17))


def test_follower_in_a_batch_that_is_not_loaded_is_read_apart() -> None:
    data, order = numbered(6), random_order(6, seed=1)
    loaded = load_batches(data, [order[2:4]])  # resumed: the others are done
    ((_, follower),) = with_followers(loaded, data, Derangement((order,)))
    assert follower is not None
    assert follower["x"].item() == order[4]


def test_workers_give_the_same_batches(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    batches = [np.array([3, 1]), np.array([0])]
    for one, other in zip(
        load_batches(data, batches), load_batches(data, batches, workers=2), strict=True
    ):
        assert one.indices.tolist() == other.indices.tolist()
        assert one.inputs["depth"].equal(other.inputs["depth"])
        assert one.targets["semantic"].equal(other.targets["semantic"])


@pytest.mark.parametrize("workers", [0, 1])
def test_damage_is_reported_without_a_traceback(tmp_path: Path, workers: int) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    with h5py.File(path) as file:
        chunk = file["inputs/depth"].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    with pytest.raises(InfluenceError, match=r"a\.h5: .*damaged") as caught:
        list(load_batches(EvaluationFile(path), [np.array([3, 4])], workers=workers))
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    "found", [5, [], [0, 1, 2, 3, 4, 5], [[0, 1, 2], [3, 4, 4]], [[0], [1, 2, 3, 4, 5]]]
)
def test_stored_cycles_of_another_form_are_refused(tmp_path: Path, found: Any) -> None:
    store = ShardStore(tmp_path, {})
    store.save_json("tour", found)
    with pytest.raises(InfluenceError, match=r"tour\.json: expected the cycles in which .* afresh"):
        agree_on_derangement(
            numbered(6), 6, "shuffle:neighbours", names=["x"], seed=0, session=Session(shards=store)
        )


def stream(*sizes: int) -> BatchStream:
    parts = np.split(np.arange(sum(sizes), dtype=np.float32), np.cumsum(sizes)[:-1])
    return BatchStream([({"x": torch.from_numpy(x)}, {}) for x in parts])


@pytest.mark.parametrize("sizes", [(2,), (3,), (1, 1), (2, 3), (1, 4, 2), (5, 1, 1), (1, 1, 1)])
def test_samples_of_a_stream_exchange_their_inputs_in_pairs(sizes: tuple[int, ...]) -> None:
    shown: dict[float, float] = {}
    for batch, follower in exchange_in_pairs(stream(*sizes)):
        assert batch.partners is not None
        x = batch.inputs["x"]
        inputs = [*x[torch.from_numpy(batch.partners)].tolist(), follower["x"].item()]
        shown |= dict(zip(x.tolist(), inputs, strict=True))
    count = sum(sizes)
    pairs = {i: i ^ 1 for i in range(count)}
    if count % 2:
        pairs |= {count - 3: count - 2, count - 2: count - 1, count - 1: count - 3}
    assert shown == pairs


@pytest.mark.parametrize("limit", [None, 1, 2, 3, 5, 9])
def test_a_limit_ends_a_stream_inside_a_batch(limit: int | None) -> None:
    found = [batch.inputs["x"] for batch in limit_batches(stream(2, 3, 1), limit)]
    assert torch.cat(found).tolist() == list(range(6))[:limit]
