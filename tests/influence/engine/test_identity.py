"""Processes, and a resumed run, that read other data end with the batch that differs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from influence.data.dataset import EvaluationSet
from influence.data.evaluation_file import EvaluationFile
from influence.data.memory import MemorySet
from influence.data.source import BatchStream, open_data
from influence.engine.identity import (
    check_cuts,
    check_processes,
    check_resumed,
    check_streams,
    digest_batch,
)
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.network.joint_network import JointNetwork
from influence.runtime.processes import Processes
from influence.runtime.shards import ShardStore
from tests.toy import batches, joint, toy, toy_arrays, write_toy_file


class Mail:
    """What two threads that play processes send each other."""

    def __init__(self) -> None:
        self.letters: list[bytes] = [b"", b""]
        self.barrier = threading.Barrier(2, timeout=60)


@dataclass(frozen=True)
class Thread(Processes):
    mail: Mail = field(default_factory=Mail)

    def gather(self, payload: bytes) -> list[bytes]:
        self.mail.letters[self.rank] = payload
        self.mail.barrier.wait()
        found = list(self.mail.letters)
        self.mail.barrier.wait()
        return found


def compare(act: Callable[[Any, Processes], None], *data: Any) -> list[str]:
    """Let two processes act, each on its own data, and return their errors."""
    mail, errors = Mail(), ["", ""]

    def run(rank: int) -> None:
        try:
            act(data[rank], Thread(rank, 2, mail=mail))
        except InfluenceError as error:
            errors[rank] = str(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def without_hash(data: MemorySet) -> Any:
    """Return the same data as a set that does not know its hash."""

    class Plain(MemorySet):
        sha256 = ""

    return Plain(data.inputs, data.targets, data.batches)


def check_set(data: EvaluationSet, processes: Processes) -> None:
    check_processes(data, len(data), processes)


def numbers(order: Any, cut: int = 10, **facts: Any) -> list[Any]:
    """Return batches of samples whose values are their numbers, in a given order."""
    x = torch.tensor(list(order), dtype=torch.float32)
    return [
        ({"x": part[:, None]}, {"y": part}, {n: all_[i : i + cut] for n, all_ in facts.items()})
        for i in range(0, len(x), cut)
        for part in [x[i : i + cut]]
    ]


def test_the_same_data_pass_wherever_their_batches_are_cut() -> None:
    sets = [open_data(numbers(range(40), cut)) for cut in (10, 7)]
    assert compare(check_set, *sets) == ["", ""]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (numbers(reversed(range(40))), "batch 0, the samples '0' to '15'"),
        (numbers([*range(39), 99]), "batch 2, the samples '32' to '39'"),
        (numbers(range(40), ids=[f"s{i}" for i in range(40)]), "batch 0"),
        (numbers(range(20)), "process 1 reads 20 samples, process 0 reads 40"),
    ],
)
def test_processes_with_other_data_are_told_which_batch(other: list[Any], message: str) -> None:
    found = compare(check_set, open_data(numbers(range(40))), open_data(other))
    for error in found:
        assert message in error
        assert "DistributedSampler" in error


def test_files_are_compared_by_their_hash(tmp_path: Path) -> None:
    arrays = toy_arrays()
    same = [EvaluationFile(write_toy_file(tmp_path / f"{i}.h5", name="a")) for i in range(2)]
    assert compare(check_set, *same) == ["", ""]
    arrays["inputs"]["depth"][-1] += 1
    other = EvaluationFile(write_toy_file(tmp_path / "other.h5", name="a", **arrays))
    assert all("batch 0" in error for error in compare(check_set, same[0], other))
    named = EvaluationFile(write_toy_file(tmp_path / "named.h5", name="b"))
    assert all("is another file" in error for error in compare(check_set, same[0], named))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (range(80), ""),
        (reversed(range(80)), "batch 0, the samples '0' to '15'"),
        ([*range(40), 99, *range(41, 80)], "batch 2, the samples '32' to '47'"),
        ([*range(79), 99], "batch 4, the samples '64' to '79'"),
    ],
)
def test_some_batches_of_sets_without_a_hash_are_compared(order: Any, message: str) -> None:
    one, other = (without_hash(MemorySet.collect(numbers(n))) for n in (range(80), order))
    found = compare(check_set, one, other)
    assert all(message in error and bool(error) == bool(message) for error in found)


def read_stream(stream: BatchStream, processes: Processes) -> None:
    check_processes(stream, None, processes)
    assert sum(map(len, stream)) > 0
    check_streams(stream, processes)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (numbers(range(40)), ""),
        (numbers(reversed(range(40))), "batch 0 of the stream"),
        (numbers([*range(39), 99]), "batch 3 of the stream"),
        (numbers(range(30)), "process 1 reads 3 batches, process 0 reads 4"),
    ],
)
def test_streams_are_compared_batch_by_batch(other: list[Any], message: str) -> None:
    found = compare(read_stream, BatchStream(numbers(range(40))), BatchStream(other))
    for error in found:
        assert message in error
        assert bool(error) == bool(message)


def interrupt(net: JointNetwork, data: Any, folder: Path) -> None:
    """Measure until two batches are finished."""

    class Mortal(type(net.module)):  # type: ignore[misc]
        passes = 0

        def forward(self, *inputs: torch.Tensor) -> Any:
            kept = len(list(folder.glob("[0-9]*.safetensors")))
            if kept == 2:
                raise KeyboardInterrupt
            return super().forward(*inputs)

    module = Mortal()
    module.load_state_dict(net.module.state_dict())
    with pytest.raises(KeyboardInterrupt):
        measure(joint(module), data, **OPTIONS, checkpointing=Checkpointing(folder))


OPTIONS: dict[str, Any] = {"mutes": ["zero"], "batch_size": 4, "draws": 20}


def resume(net: JointNetwork, data: Any, folder: Path) -> Any:
    return measure(net, data, **OPTIONS, checkpointing=Checkpointing(folder, resume=True))


@pytest.fixture
def net() -> JointNetwork:
    return toy()


@pytest.fixture
def stopped(net: JointNetwork, tmp_path: Path) -> Path:
    interrupt(net, batches(), tmp_path / "state")
    return tmp_path / "state"


def test_resumed_run_with_the_same_data_goes_on(net: JointNetwork, stopped: Path) -> None:
    whole = measure(net, batches(), **OPTIONS)
    found = resume(net, batches(), stopped)
    assert found.influence.equals(whole.influence)


def test_resumed_run_with_another_order_is_refused(net: JointNetwork, stopped: Path) -> None:
    with pytest.raises(InfluenceError, match=r"batch 0, of the samples 0, 1, 2, 3, differs"):
        resume(net, batches()[::-1], stopped)


def test_resumed_run_with_one_other_value_names_the_batch(net: JointNetwork, stopped: Path) -> None:
    changed = batches()
    changed[1][0]["depth"][0, 0, 0, 0] += 1
    with pytest.raises(InfluenceError, match=r"batch 1, of the samples 4, 5, 6, 7, differs"):
        resume(net, changed, stopped)
    changed = batches()
    changed[3][0]["depth"][0, 0, 0, 0] += 1
    with pytest.raises(InfluenceError, match=r"not what it was .* though the batches that were"):
        resume(net, changed, stopped)


def test_resumed_run_with_a_changed_file_names_the_batch(net: JointNetwork, tmp_path: Path) -> None:
    path, arrays = write_toy_file(tmp_path / "set.h5"), toy_arrays()
    interrupt(net, path, tmp_path / "state")
    arrays["targets"]["semantic"][5] = 0
    write_toy_file(path, **arrays)
    with pytest.raises(InfluenceError, match="batch 1, of the samples 4, 5, 6, 7, differs"):
        resume(net, path, tmp_path / "state")


def test_resumed_run_with_a_changed_source_of_the_file_names_the_batch(
    net: JointNetwork, tmp_path: Path
) -> None:
    write_toy_file(tmp_path / "source.h5")
    depth = h5py.VirtualLayout((13, 1, 5, 6), np.float32)
    depth[...] = h5py.VirtualSource(tmp_path / "source.h5", "inputs/depth", (13, 1, 5, 6))
    with h5py.File(write_toy_file(tmp_path / "set.h5"), "r+") as file:
        del file["inputs/depth"]
        file.create_virtual_dataset("inputs/depth", depth)
    data = EvaluationFile(tmp_path / "set.h5", sources=True)
    interrupt(net, data, tmp_path / "state")
    with h5py.File(tmp_path / "source.h5", "r+") as file:
        file["inputs/depth"][6] += 1
    with pytest.raises(InfluenceError, match="changed while it was measured"):
        resume(net, data, tmp_path / "state")
    data = EvaluationFile(tmp_path / "set.h5", sources=True)
    with pytest.raises(InfluenceError, match="batch 1, of the samples 4, 5, 6, 7, differs"):
        resume(net, data, tmp_path / "state")


def test_resumed_run_with_other_weights_is_refused(net: JointNetwork, stopped: Path) -> None:
    with torch.no_grad():
        next(iter(net.module.parameters())).add_(1)
    with pytest.raises(InfluenceError, match="with other networks"):
        resume(net, batches(), stopped)


def test_batches_of_sets_without_a_hash_are_read_again(tmp_path: Path) -> None:
    data = MemorySet.collect(numbers(range(8), 4))
    store = ShardStore(tmp_path / "state", {})
    check_resumed(without_hash(data), store)
    some = np.arange(4)
    store.save(0, {}, some, digest_batch(named(data, some)))
    check_resumed(without_hash(data), store)
    other = MemorySet.collect(numbers([9, *range(1, 8)], 4))
    with pytest.raises(InfluenceError, match="batch 0"):
        check_resumed(without_hash(other), store)


def named(data: MemorySet, indices: Any) -> Any:
    return replace(data.read(indices), ids=[data.ids[i] for i in indices])


def test_digests_of_finished_batches_are_compared_where_that_of_the_data_is_lost(
    net: JointNetwork, stopped: Path
) -> None:
    (stopped / "data.json").unlink()
    with pytest.raises(InfluenceError, match="differs from that of the interrupted run"):
        resume(net, batches()[::-1], stopped)


def test_batches_that_are_cut_otherwise_are_refused(tmp_path: Path) -> None:
    class Mean(torch.nn.Module):
        stop = 3

        def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            if len(x) == self.stop:
                raise KeyboardInterrupt
            return x + z.mean(0)

    module = Mean()
    network = JointNetwork(module, ["x", "z"], ["y"], name="mean")
    x = torch.arange(9.0)[:, None]
    cuts = [[x[a:b] for a, b in pairwise((0, *ends))] for ends in ((2, 6, 9), (3, 7, 9))]
    one, other = ([({"x": p, "z": p}, {"y": p}) for p in parts] for parts in cuts)
    asked: dict[str, Any] = {"mutes": ["zero"], "metrics": {"y": ["rms"]}, "draws": 20}
    with pytest.raises(KeyboardInterrupt):
        measure(network, one, checkpointing=Checkpointing(tmp_path / "state"), **asked)
    module.stop = 0
    again = Checkpointing(tmp_path / "state", resume=True)
    with pytest.raises(InfluenceError, match="The batches are not those of the interrupted run"):
        measure(network, other, checkpointing=again, **asked)


def test_processes_have_to_cut_data_alike() -> None:
    positions = [[np.arange(2), np.arange(2, 5)], [np.arange(3), np.arange(3, 5)]]
    assert compare(check_cuts, positions[0], positions[0]) == ["", ""]
    assert all("from batch 0 on" in error for error in compare(check_cuts, *positions))
