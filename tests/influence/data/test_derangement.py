"""Which input a sample gets: never its own, but one of its group, or one of a near sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from influence.data.dataset import Batch, EvaluationSet
from influence.data.derangement import (
    Derangement,
    derange,
    near_groups,
    near_tour,
    pair_up,
    pool_inputs,
    random_order,
)
from influence.data.evaluation_file import EvaluationFile
from influence.data.evaluation_writer import write_evaluation_file
from influence.data.memory import MemorySet
from influence.engine.collectors import RowCollector
from influence.engine.evaluation import evaluate
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=20).map(lambda own: own * 2)
"""Groups of two samples or more, mixed."""


def in_memory(groups: list[Any] | None = None, count: int = 6, **inputs: Tensor) -> MemorySet:
    count = len(groups) if groups else count
    inputs = inputs or {"x": torch.arange(count).float()}
    data = MemorySet.collect([(inputs, {"z": torch.zeros(len(next(iter(inputs.values()))))})])
    return replace(data, groups=None if groups is None else np.array(groups))


def drawn(mute: str, data: EvaluationSet, seed: int = 0) -> Derangement:
    return derange(mute, data, len(data), names=["x"], seed=seed)


@given(groups=LABELS, seed=st.integers(0, 10**6), size=st.integers(1, 25))
def test_groups_exchange_among_themselves(groups: list[int], seed: int, size: int) -> None:
    found = drawn("shuffle:groups", in_memory(groups), seed)
    labels, samples = np.array(groups), np.arange(len(groups))
    assert (labels[found.follows] == labels).all()
    assert (found.follows != samples).all()
    assert sorted(found.follows) == sorted(samples)
    batches = found.cut(size)
    assert sorted(np.concatenate(batches)) == sorted(samples)
    for batch in batches:
        assert 1 <= len(batch) <= size
        partners = found.partners(batch)
        inside = batch[1:] if partners is None else batch[partners]
        assert (inside == found.follows[batch[:-1]]).all()


@given(count=st.integers(2, 50), size=st.integers(1, 60), seed=st.integers(0, 99))
def test_plain_shuffle_exchanges_in_pairs(count: int, size: int, seed: int) -> None:
    found = drawn("shuffle", in_memory(count=count), seed)
    order = random_order(count, seed)
    assert np.concatenate(found.cycles).tolist() == order.tolist()
    assert [len(cycle) for cycle in found.cycles[:-1]] == [2] * (count // 2 - 1)
    assert len(found.cycles[-1]) == 2 + count % 2
    assert max(map(len, found.cut(size))) <= size
    units = found.units(np.arange(count))
    for cycle in found.cycles:
        assert len(set(units[cycle])) == 1
    assert sorted(set(units)) == list(range(count // 2))


@given(groups=st.lists(st.integers(0, 12), min_size=2, max_size=60), seed=st.integers(0, 10**6))
def test_groups_exchange_with_groups_of_about_their_size(groups: list[int], seed: int) -> None:
    data, labels = in_memory(groups), np.array(groups)
    found, samples = drawn("shuffle", data, seed), np.arange(len(groups))
    assert (found.follows != samples).all()
    assert sorted(found.follows) == sorted(samples)
    _, numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    units = found.units(numbers)
    members = [set(numbers[units == unit]) for unit in range(units.max() + 1)]
    assert sorted(i for own in members for i in own) == sorted(set(numbers))  # whole groups
    count = len(sizes)
    assert (
        sorted(map(len, members)) == [2] * (count // 2 - count % 2) + [3] * (count % 2)
        if (count > 1)
        else [1]
    )
    # Nobody sees its own group, but for what the larger one has more.
    inside = (labels[found.follows] == labels).sum()
    more = sum(max(sizes[list(own)]) - sorted(sizes[list(own)])[-2] for own in members
               if len(own) > 1)  # fmt: skip
    assert count == 1 or inside <= more


def exchanged(order: Sequence[int], groups: Sequence[int]) -> list[list[int]]:
    """Let groups exchange inputs two by two, sample by sample, as `pair_up` says it."""
    sets: dict[int, list[int]] = {}
    for sample in order:
        sets.setdefault(groups[sample], []).append(sample)
    left, cycles = sorted(sets.values(), key=len), []
    while left:
        together = left[: 3 if len(left) == 3 else 2]
        left = left[len(together) :]
        columns = [[x for x in column if x is not None] for column in zip_longest(*together)]
        whole = [column for column in columns if len(column) > 1] or [columns.pop(0)]
        whole[-1] += [x for column in columns if len(column) == 1 for x in column]
        cycles += whole
    return cycles


@given(groups=st.lists(st.integers(0, 12), min_size=2, max_size=40), seed=st.integers(0, 10**6))
def test_groups_exchange_sample_by_sample(groups: list[int], seed: int) -> None:
    order = random_order(len(groups), seed)
    found = pair_up(order, np.array(groups))
    assert [cycle.tolist() for cycle in found.cycles] == exchanged(order.tolist(), groups)


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=12), size=st.integers(1, 12))
def test_batches_take_cycle_after_cycle_while_they_fit(lengths: list[int], size: int) -> None:
    order = np.random.default_rng(0).permutation(sum(lengths))
    found = Derangement.of_runs(order, np.array(lengths))
    batches: list[list[int]] = [[]]
    for cycle in found.cycles:
        if len(batches[-1]) + len(cycle) > size:
            batches.append([])
        batches[-1] += cycle.tolist()
        if len(cycle) > size:  # by itself, in parts
            long = batches.pop()
            batches += [long[i : i + size] for i in range(0, len(long), size)] + [[]]
        for here, after in zip(cycle, np.roll(cycle, -1), strict=True):
            assert (found.follows[here], found.starts[here]) == (after, cycle[0])
    assert [batch.tolist() for batch in found.cut(size)] == [batch for batch in batches if batch]


def test_units_are_tied_by_cycles_and_groups_alike() -> None:
    found = Derangement((np.array([0, 1]), np.array([2, 3]), np.array([4, 5])))
    units = found.units(np.array([0, 1, 2, 0, 3, 4]))
    assert (units[0] == units[[1, 2, 3]]).all()
    assert units[4] == units[5] != units[0]


def test_seed_rules_who_is_shown() -> None:
    data = in_memory([1, 2, 3] * 8)
    one, same, other = (drawn("shuffle:groups", data, s).follows.tolist() for s in (1, 1, 2))
    assert one == same
    assert one != other


def structured(count: int = 120) -> MemorySet:
    """Maps that differ along a hidden line, in another order, and a flag."""
    stream = np.random.default_rng(3)
    place = stream.permutation(count) / count
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    maps = place[:, None, None] * ramp + 0.01 * stream.standard_normal((count, 8, 8))
    x = torch.from_numpy(maps[:, None]).float()
    x[5, 0, 0, 0] = float("nan")
    return in_memory(x=x, hidden=torch.from_numpy(place).float())


def test_neighbours_are_nearer_than_others() -> None:
    data = structured()
    place = data.read(np.arange(len(data))).inputs["hidden"].numpy()
    near, far = (drawn(mute, data).follows for mute in ("shuffle:neighbours", "shuffle"))
    steps = [np.abs(place[follows] - place) for follows in (near, far)]
    assert np.median(steps[0]) < 0.1 * np.median(steps[1])
    assert steps[0].mean() < 0.3 * steps[1].mean()
    assert sorted(near) == list(range(len(data)))
    assert (near != np.arange(len(data))).all()


def test_neighbours_are_found_by_hand() -> None:
    points = torch.tensor([0.0, 10.0, 1.0, 11.0, 5.0])
    found = drawn("shuffle:neighbours", in_memory(x=points))
    tour = np.concatenate(found.cycles)
    assert [len(cycle) for cycle in found.cycles] == [2, 3]
    left = set(range(5)) - {int(tour[0])}
    for last, chosen in pairwise(tour.tolist()):
        assert chosen == min(left, key=lambda i: abs(points[i] - points[last]))
        left.remove(int(chosen))


@pytest.mark.parametrize(
    ("mute", "groups", "message"),
    [
        ("shuffle:groups", None, r"the data given has no groups\. Write it with groups="),
        ("shuffle:groups", ["a", "b", "a"], "sample '1' is alone in group 'b'"),
        ("shuffle:groups", [b"a", b"b", b"a"], "alone in group 'b'"),
        ("shuffle:neighbours", ["a"], "'shuffle' needs two samples or more, got 1"),
    ],
)
def test_what_cannot_be_shuffled_is_reported(mute: str, groups: list[Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        drawn(mute, in_memory(groups))


def test_too_many_samples_for_all_distances_are_refused() -> None:
    with pytest.raises(InfluenceError, match="20000 at most, got 20001"):
        drawn("shuffle:neighbours", in_memory(count=20001))


class Encoders(nn.Module):
    """An encoder for each input, then a sum and a head: features can be moved on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.of_x, self.of_y = nn.Linear(3, 8), nn.Linear(3, 8)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.of_x(x)) * torch.tanh(self.of_y(y)))
        return out


GROUPS = [f"scene {i % 4 + (i > 20)}" for i in range(31)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stream = np.random.default_rng(0)
    x, y, z = (stream.standard_normal((31, k)).astype(np.float32) for k in (3, 3, 1))
    out = tmp_path_factory.mktemp("data") / "groups.h5"
    write_evaluation_file(out, inputs={"x": x, "y": y}, targets={"z": z}, groups=GROUPS)
    return out


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("net") / "encoders.pt2"
    net = JointNetwork(Encoders(), ["x", "y"], ["z"])
    export_checkpoint(net, out, {"x": torch.zeros(2, 3), "y": torch.zeros(2, 3)})
    return out


def by_hand(net: JointNetwork, data: EvaluationFile, follows: NDArray[np.int64]) -> Any:
    """Squared errors of each sample with x, and with y, of its partner."""
    whole = data.read(np.arange(len(data)))
    x, y, z = whole.inputs["x"], whole.inputs["y"], whole.targets["z"]
    for values in (x, y, z):
        assert isinstance(values, Tensor)
    with torch.no_grad():
        shown = {"x": net({"x": x[follows], "y": y}), "y": net({"x": x, "y": y[follows]})}
    return {site: (out["z"] - z).double().square()[:, 0].numpy() for site, out in shown.items()}


@pytest.mark.parametrize("mute", ["shuffle:groups", "shuffle:neighbours", "shuffle"])
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 64])
def test_rows_are_those_of_a_gather(
    path: Path, exported: Path, mute: str, share: bool, batch_size: int, reads: list[int]
) -> None:
    data, net = EvaluationFile(path), load_checkpoint(exported)
    follows = derange(mute, data, 31, names=["x", "y"], seed=4).follows
    expected = by_hand(net, data, follows)
    reads.clear()
    plan = Plan(("x", "y"), tuple(parse_mutes([mute])), {"z": tuple(find_metrics(["mse"]))}, seed=4)
    execution = Execution(batch_size=batch_size, share=share)
    found = evaluate([net], data, [plan], RowCollector(), execution=execution)
    assert found[0].trial.shared == share
    assert len(reads) == 31 * (1 + (mute == "shuffle:neighbours"))
    for key, rows in found[0].kept.values.items():
        if key.condition.setup:
            (site,) = key.condition.setup
            np.testing.assert_allclose(rows[:, 1], expected[site], rtol=1e-5, atol=1e-9)


def test_edges_move_with_their_partners(path: Path) -> None:
    net = JointNetwork(Encoders(), ["x", "y"], ["z"])
    options: dict[str, Any] = {"mutes": ["shuffle:groups"], "draws": 10, "batch_size": 5}
    edge = measure(net, path, sites=["edge:of_x"], **options).influence
    whole = measure(net, path, sites=["x"], **options).influence
    np.testing.assert_allclose(edge["omega"], whole["omega"], rtol=1e-5)


@pytest.mark.parametrize("mute", ["shuffle:groups", "shuffle:neighbours"])
def test_streamed_files_are_shuffled_alike(path: Path, mute: str) -> None:
    net = JointNetwork(Encoders(), ["x", "y"], ["z"])
    one, other = (
        measure(net, path, mutes=[mute], draws=10, batch_size=4, stream=stream).influence["omega"]
        for stream in (False, True)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("mute", ["shuffle:groups", "shuffle:neighbours"])
def test_streams_have_only_the_plain_shuffle(mute: str) -> None:
    net = JointNetwork(Encoders(), ["x", "y"], ["z"])
    batch = ({"x": torch.ones(4, 3), "y": torch.ones(4, 3)}, {"z": torch.ones(4, 1)})
    with pytest.raises(InfluenceError, match=f"mute '{mute}' reads samples in an order of its own"):
        measure(net, [batch], mutes=[mute], stream=True)


class Unreadable(EvaluationFile):
    """The user stops the program after so many reads."""

    left = 4 + 31 + 10  # the first batch is read to see how the network behaves

    def read(self, indices: NDArray[np.int64]) -> Batch:
        self.left -= len(indices)
        if self.left < 0:
            raise KeyboardInterrupt
        return super().read(indices)


@pytest.mark.parametrize("mute", ["shuffle:groups", "shuffle:neighbours"])
def test_a_resumed_run_reads_in_the_same_order(
    path: Path, tmp_path: Path, mute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = JointNetwork(Encoders(), ["x", "y"], ["z"])
    options: dict[str, Any] = {"mutes": [mute], "draws": 10, "batch_size": 4}
    data = Unreadable(path)
    data.left -= 31 * (mute == "shuffle:groups")
    with pytest.raises(KeyboardInterrupt):
        measure(net, data, **options, checkpointing=Checkpointing(tmp_path))
    assert list(tmp_path.glob("*.safetensors"))
    whole = measure(net, path, **options)
    # Another machine would find another tour.
    monkeypatch.setattr("influence.data.derangement.near_tour", lambda points, start: 1 / 0)
    run = measure(net, path, **options, checkpointing=Checkpointing(tmp_path, resume=True))
    assert run.influence.equals(whole.influence)


@pytest.mark.parametrize("groups", [61, 62])
def test_neighbours_of_groups_are_of_one_other_group_and_near(groups: int) -> None:
    numbers = np.random.default_rng(0)
    of = numbers.permutation(np.repeat(np.arange(groups), 3))
    middles = numbers.normal(size=(groups, 2)) * 10
    points = (middles[of] + numbers.normal(size=(3 * groups, 2))).astype(np.float32)
    order = numbers.permutation(3 * groups)
    found = near_groups(points, of, order)
    assert sorted(np.concatenate(found.cycles)) == list(range(3 * groups))
    units = found.units(of)
    assert units.max() + 1 == groups // 2  # intervals have something to draw from
    assert (of[found.follows] != of).all()
    assert {len(set(of[units == unit])) for unit in range(units.max() + 1)} <= {2, 3}
    far = pair_up(order, of).follows
    near, other = (np.linalg.norm(points - points[f], axis=1) for f in (found.follows, far))
    assert np.median(near) < 0.5 * np.median(other)


def test_inputs_weigh_the_same_whatever_their_channels() -> None:
    stream = torch.Generator().manual_seed(0)
    many = torch.rand(200, 40, 9, 7, generator=stream) * 1000
    one, number = (torch.rand(200, *shape, generator=stream) for shape in ((1, 9, 7), ()))
    inputs = {"x": one, "many": many, "number": number}
    data = MemorySet.collect([(inputs, {"y": torch.zeros(200)})])
    rows = pool_inputs(data, ["x", "many", "number"], 200)
    assert rows.shape == (200, 16 + 40 * 16 + 1)
    parts = np.split(rows, [16, 16 + 640], axis=1)
    np.testing.assert_allclose([np.square(p).sum(1).mean() for p in parts], 1.0, rtol=1e-4)


def test_a_tour_goes_to_the_nearest_that_is_left() -> None:
    points = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    tour = near_tour(points, start=4).tolist()
    assert tour[0] == 4
    assert sorted(tour) == list(range(30))
    for step in range(1, 30):
        gaps = np.linalg.norm(points[tour[step:]] - points[tour[step - 1]], axis=1)
        assert gaps.argmin() == 0
