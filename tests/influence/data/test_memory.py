"""Data in memory: what loaders yield, in any form, and batches as they were given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset, default_collate

from influence.data.derangement import pair_up, pair_within, random_order
from influence.data.memory import MemorySet
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.run_directory import Run


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


SUM = JointNetwork(Sum(), ["x", "y"], ["z"])
X, Y = torch.arange(6.0), torch.tensor([3.0, -1.0, 0.0, 2.0, 1.0, 4.0])
OMEGA = {"x": X.square().mean().item(), "y": Y.square().mean().item()}
"""In closed form: the prediction is right with nothing muted, and lacks x or y else."""


@dataclass
class Record:
    left: Any
    right: Any
    truth: Any


class Samples(Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        return X[index], {"y": Y[index], "z": X[index] + Y[index]}


def run(data: Any, **options: Any) -> dict[str, float]:
    known: dict[str, Any] = {"mutes": ["zero"], "metrics": {"z": ["mse"]}, "draws": 10}
    found = measure(SUM, data, **(known | options))
    return dict(found.influence.set_index("source")["omega"])


HALVES = [slice(0, 4), slice(4, 6)]
INTO_SAMPLES = {"inputs/x": 0, "inputs/y": "1.y", "targets/z": "1.z"}


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ([(X[s], Y[s], (X + Y)[s]) for s in HALVES],
         {"inputs/x": 0, "inputs/y": 1, "targets/z": 2}),
        ([{"in": [X[s], Y[s]], "out": (X + Y)[s]} for s in HALVES],
         {"inputs/x": "in.0", "inputs/y": "in.1", "targets/z": "out"}),
        ([Record(X[s], Y[s], (X + Y)[s]) for s in HALVES],
         {"inputs/x": "left", "inputs/y": "right", "targets/z": "truth"}),
        ([{"inputs": {"x": X, "y": Y}, "targets": {"z": X + Y}}], None),
    ],
    ids=["tuples", "mappings", "dataclasses", "named"],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_batches_of_any_form(data: Any, fields: Any, stream: bool) -> None:
    assert run(data, fields=fields, stream=stream) == pytest.approx(OMEGA, rel=1e-6)


@pytest.mark.parametrize("data", [Samples(), (Samples()[i] for i in range(6))], ids=type)
def test_samples_are_collated(data: Any) -> None:
    found = run(data, collate=default_collate, fields=INTO_SAMPLES, batch_size=4)
    assert found == pytest.approx(OMEGA, rel=1e-6)


def test_samples_without_collate_are_told() -> None:
    with pytest.raises(InfluenceError, match=r"'z' has no axis of samples, .* made with collate="):
        run([Samples()[i] for i in range(6)], fields=INTO_SAMPLES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rgb": 0}, "expected fields called inputs/NAME, targets/NAME, ids or groups, got 'rgb'"),
        ({"targets/z": 2}, "fields name no input"),
        ({"inputs/x": 5}, "batch 0: field 'inputs/x': there is no '5'"),
    ],
)
def test_fields_that_say_nothing_are_told(fields: Any, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        run([(X, Y, X + Y)], fields=fields)


def test_ids_and_groups_are_fields_too() -> None:
    data = [(X, Y, X + Y, list("abcdef"), torch.tensor([0, 0, 1, 1, 2, 2]))]
    fields = {"inputs/x": 0, "inputs/y": 1, "targets/z": 2, "ids": 3, "groups": 4}
    found = MemorySet.collect(data, fields={n: str(p) for n, p in fields.items()})
    assert found.ids == list("abcdef")
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_lists_keep_samples_of_different_length() -> None:
    points = [torch.ones(n, 3) for n in (2, 5, 1)]
    data = MemorySet.collect([({"p": points, "t": ["a", "bc", ""]}, {"y": torch.zeros(3)})])
    assert data.inputs["p"].ragged
    assert data.inputs["t"].texts
    batch = data.read(np.array([2, 0]))
    assert [len(p) for p in batch.inputs["p"]] == [1, 2]
    assert batch.inputs["t"] == ["", "a"]


class Retrieval(nn.Module):
    """Scores each picture against all texts of its batch."""

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        return F.normalize(image, dim=1) @ F.normalize(text, dim=1).T


class Attending(nn.Module):
    """Mixes the samples of a batch."""

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        mixed: Tensor = (image @ text.T).softmax(1) @ text
        return mixed


SIZES = (5, 5, 5)


def pairs() -> Iterator[tuple[Tensor, Tensor]]:
    stream = torch.Generator().manual_seed(0)
    for size in SIZES:
        image = torch.randn(size, 8, generator=stream)
        yield image, image + torch.randn(size, 8, generator=stream)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mute", ["zero", "shuffle"])
def test_retrieval_in_the_batch_is_that_of_a_loop_by_hand(mute: str, stream: bool) -> None:
    batches = list(pairs())
    data = [({"image": i, "text": t}, {"match": torch.arange(len(i))}) for i, t in batches]
    net = JointNetwork(Retrieval(), ["image", "text"], [Output("match", "logits")])
    options: dict[str, Any] = {"metrics": {"match": ["accuracy", "cross_entropy"]}, "draws": 10}
    run = measure(net, data, mutes=[mute], stream=stream, **options)
    whole = [torch.cat(part) for part in zip(*batches, strict=True)]
    ends = np.cumsum([0, *(len(i) for i, _ in batches)])
    if stream:
        follows = np.concatenate([
            start + pair_up(np.arange(len(i))).follows
            for start, (i, _) in zip(ends[:-1], batches, strict=True)
        ])  # fmt: skip
    else:
        follows = pair_up(random_order(len(whole[0]), 0)).follows

    def scores(muted: str) -> tuple[float, float]:
        right, entropy, count = 0, 0.0, 0
        for start, (image, text) in zip(ends[:-1], batches, strict=True):
            own = {"image": image, "text": text}
            if muted:
                partners = whole[muted == "text"][follows[start : start + len(image)]]
                own[muted] = torch.zeros_like(image) if mute == "zero" else partners
            logits = Retrieval()(own["image"], own["text"])
            truth = torch.arange(len(image))
            right += int((logits.argmax(1) == truth).sum())
            entropy += F.cross_entropy(logits.double(), truth, reduction="sum").item()
            count += len(image)
        return right / count, entropy / count

    found = run.influence.set_index(["source", "metric"])
    for source in ("image", "text"):
        for place, metric in enumerate(("accuracy", "cross_entropy")):
            row: Any = found.loc[(source, metric)]
            assert row["full"] == pytest.approx(scores("")[place], abs=1e-6)
            assert row["muted"] == pytest.approx(scores(source)[place], abs=1e-6)
    assert any("batches are run as they were given: output 'match'" in note
               for note in run.info["notes"]["network"])  # fmt: skip


@pytest.mark.parametrize("mute", ["zero", "shuffle"])
def test_attention_over_samples_is_that_of_a_loop_by_hand(mute: str) -> None:
    batches = list(pairs())
    y = [torch.ones_like(image) for image, _ in batches]
    data = [({"image": i, "text": t}, {"y": v}) for (i, t), v in zip(batches, y, strict=True)]
    net = JointNetwork(Attending(), ["image", "text"], ["y"])
    run = measure(net, data, mutes=[mute], metrics={"y": ["mse"]}, draws=10)
    images = torch.cat([image for image, _ in batches])
    follows = pair_up(random_order(len(images), 0)).follows
    squares, start = 0.0, 0
    for image, text in batches:
        partners = images[follows[start : start + len(image)]]
        shown = torch.zeros_like(image) if mute == "zero" else partners
        squares += (Attending()(shown, text).double() - 1).square().sum().item()
        start += len(image)
    row = run.influence.set_index("source").loc["image"]
    assert row["muted"] == pytest.approx(squares / images.numel(), rel=1e-6)


class Counting(nn.Module):
    """Returns the sum of the embeddings of all tokens that a mask leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 1)
        self.words.weight.data = torch.arange(10.0)[:, None]

    def forward(self, ids: Tensor, mask: Tensor, x: Tensor) -> Tensor:
        total: Tensor = (self.words(ids)[..., 0] * mask).sum(1) + x
        return total


def test_tokens_of_batches_of_different_width_are_shuffled_inside_them() -> None:
    widths = [(4, 3), (5, 6)]
    stream = torch.Generator().manual_seed(0)
    data: list[Any] = []
    for count, width in widths:
        ids = torch.randint(1, 10, (count, width), generator=stream)
        mask = torch.randint(0, 2, (count, width), generator=stream)
        x = torch.rand(count, generator=stream)
        data.append(({"ids": ids, "mask": mask, "x": x}, {"y": torch.zeros(count)}))
    text = Modality("text", "tokens", tensors=("ids", "mask"))
    net = JointNetwork(Counting(), [text, "x"], ["y"])
    run = measure(net, data, mutes=["shuffle"], metrics={"y": ["mse"]}, draws=10)
    within = pair_within([np.arange(4), np.arange(4, 9)], 9, 0)
    assert within is not None
    squares, start = 0.0, 0
    for inputs, targets in data:
        count = len(targets["y"])
        partner = torch.from_numpy(within.follows[start : start + count] - start)
        found = net.module(inputs["ids"][partner], inputs["mask"][partner], inputs["x"])
        squares += found.double().square().sum().item()
        start += count
    row = run.influence.set_index("source").loc["text"]
    assert row["muted"] == pytest.approx(squares / 9, rel=1e-6)


def by_hand(
    module: nn.Module, inputs: dict[str, Tensor], site: str, value: Any, y: Tensor
) -> float:
    """Omega by mean squared error of a module, one sample after the other."""
    errors = [0.0, 0.0]
    for muted in (0, 1):
        for i in range(len(y)):
            one = {n: x[i : i + 1].clone() for n, x in inputs.items()}
            if muted:
                one[site] = torch.full_like(one[site], value)
            with torch.no_grad():
                found = module(**one).double()
            errors[muted] += float((found - y[i].double()).square().mean())
    return (errors[1] - errors[0]) / len(y)


class ByType(nn.Module):
    """Treats its inputs by their type, as preprocessing inside a network does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(8, 1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return self.read(x) + bias

    def read(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            return x.float().mean(1) / 255
        if x.is_complex():
            return x.abs().float().mean(1)
        if x.dtype == torch.int64 and x.max() < 8:
            found: Tensor = self.words(x)[:, :, 0].mean(1)
            return found
        if x.dtype == torch.int64:
            return ((x % 1000).double().mean(1) / 1000).float()
        return -x.mean(1)


STREAM = torch.Generator().manual_seed(1)
TYPED = {
    "bytes": torch.randint(0, 256, (12, 4), generator=STREAM).to(torch.uint8),
    "waves": torch.randn(12, 4, generator=STREAM, dtype=torch.complex64),
    "ids": torch.randint(0, 8, (12, 4), generator=STREAM),
    "times": 2**24 + torch.randint(0, 1000, (12, 4), generator=STREAM),
    "floats": torch.randn(12, 4, generator=STREAM),
}


@pytest.mark.parametrize("name", TYPED)
def test_inputs_keep_their_type(name: str) -> None:
    y, x, bias = torch.linspace(0, 1, 12), TYPED[name], torch.linspace(1, 2, 12)
    kind = "image" if name == "bytes" else "other"
    net = JointNetwork(ByType(), [Modality("x", kind), "bias"], ["y"])
    inputs = {"x": x, "bias": bias}
    run = measure(net, [(inputs, {"y": y})], mutes=["zero"], metrics={"y": ["mse"]}, draws=10)
    expected = by_hand(net.module, inputs, "x", 0, y)
    assert math.isfinite(expected)
    assert abs(expected) > 1e-3
    found = run.influence.set_index("source")["omega"]
    assert found["x"] == pytest.approx(expected, abs=1e-6)


def test_an_input_that_is_one_value_a_batch_has_to_be_a_context() -> None:
    data = [({"x": X, "y": torch.tensor(2.0)}, {"z": X + 2})]
    with pytest.raises(InfluenceError, match=r"Modality\('y', role='context'\)"):
        run(data)
    declared = JointNetwork(Sum(), ["x", Modality("y", role="context")], ["z"])
    found: Run = measure(declared, data, mutes=["zero"], metrics={"z": ["mse"]}, draws=10)
    assert found.influence["omega"].tolist() == pytest.approx([OMEGA["x"]], rel=1e-6)


class Scaled(nn.Module):
    """Adds what a table of the batch says to each sample."""

    def forward(self, x: Tensor, y: Tensor, table: Tensor) -> Tensor:
        return x + y * table[1, 0]


SCALED = JointNetwork(Scaled(), ["x", "y", Modality("table", role="context")], ["z"])
TABLE = torch.tensor([[7.0], [1.0]])


@pytest.mark.parametrize("pieces", [[slice(0, 2), slice(2, 4), slice(4, 6)], [slice(0, 6)]])
def test_a_context_with_as_many_rows_as_samples_is_that_of_the_batch(pieces: list[slice]) -> None:
    """Batches of two samples come with a table of two rows, which is the same in all of them."""
    batches = [({"x": X[p], "y": Y[p], "table": TABLE}, {"z": X[p] + Y[p]}) for p in pieces]
    held = MemorySet.collect(batches, contexts={"table"})
    assert torch.equal(held.read(np.array([3])).shown["table"], TABLE)
    found = measure(SCALED, batches, mutes=["zero"], metrics={"z": ["mse"]}, batch_size=4)
    assert found.influence["omega"].tolist() == pytest.approx([OMEGA["x"], OMEGA["y"]])
    assert not any("depends on" in note for note in found.info["notes"]["network"])


def test_a_context_of_each_sample_stays_so() -> None:
    own = torch.arange(6.0)
    batches = [({"x": X[p], "own": own[p]}, {"z": X[p]}) for p in HALVES]
    held = MemorySet.collect(batches, contexts={"own"})
    found = held.read(np.array([4, 1])).inputs["own"]
    assert torch.equal(torch.as_tensor(found), torch.tensor([4.0, 1.0]))
    same = torch.ones(6)
    batches = [({"x": X[p], "own": same[p]}, {"z": X[p]}) for p in HALVES]
    assert MemorySet.collect(batches, contexts={"own"}).batches[0].inputs.keys() == {"x", "own"}


class Later(nn.Module):
    """Takes times apart in float64; its weights are float32."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.line.weight)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        since = (times - 1.7e9).float()
        found: Tensor = self.line(x) + since
        return found


def test_times_of_float64_stay_where_the_network_takes_them_and_nothing_else_does() -> None:
    x = torch.arange(6.0, dtype=torch.float64).unsqueeze(1)  # fails beside weights of float32
    times = 1.7e9 + torch.arange(6.0, dtype=torch.float64).unsqueeze(1)
    truth = x + (times - 1.7e9)
    found = measure(
        JointNetwork(Later(), ["x", "times"], ["z"]),
        [({"x": x, "times": times}, {"z": truth})],
        mutes=["zero"],
        metrics={"z": ["mse"]},
        sites=["x"],
    )
    (row,) = found.influence.to_dict("records")
    assert "'times' stay float64, as the network takes them" in found.info["notes"]["network"]
    assert row["full"] == 0.0  # float32 would round seconds to minutes
    assert row["muted"] == pytest.approx(x.square().mean().item(), rel=1e-6)


def test_samples_without_a_label_are_not_counted_where_it_is_declared_what_means_none() -> None:
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    labels = torch.tensor([0, -1, 1, -1])
    batches = [({"x": logits, "y": 0 * logits}, {"z": labels})]

    def of(output: Output) -> Run:
        network = JointNetwork(Sum(), ["x", "y"], [output])
        return measure(network, batches, mutes=["zero"], sites=["x"], metrics={"z": ["accuracy"]})

    with pytest.raises(InfluenceError, match=r"declare it: Output\('z', ignore=...\)"):
        of(Output("z", "logits"))
    found = of(Output("z", "logits", ignore=-1))
    (row,) = found.influence.to_dict("records")
    assert (row["full"], row["muted"]) == (1.0, 0.5)  # of the two samples with a label
    assert any("are not counted there: it is -1" in n for n in found.info["notes"]["network"])


def test_classes_that_come_last_are_told() -> None:
    words = torch.zeros(2, 3, 5)  # samples, words, classes
    batch = ({"x": words, "y": words}, {"z": torch.zeros(2, 3).long()})
    network = JointNetwork(Sum(), ["x", "y"], [Output("z", "logits")])
    with pytest.raises(InfluenceError, match=r"If the classes come last.*return logits\.mT"):
        measure(network, [batch], mutes=["zero"])


class Match(nn.Module):
    """Scores every sample of the batch against every other."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return -(x.unsqueeze(1) - y.unsqueeze(0)).square()


def test_targets_inside_a_batch_may_be_fewer_in_the_last() -> None:
    y = X.clone()
    batches = [({"x": X[p], "y": y[p]}, {"z": torch.arange(len(X[p]))}) for p in HALVES]
    network = JointNetwork(Match(), ["x", "y"], [Output("z", "logits")])
    found = measure(network, batches, mutes=["zero"], sites=["x"])
    own = found.influence.set_index("metric")
    assert own.loc["accuracy", "full"] == 1.0
    nearest = [int(((0 - y[p]) ** 2).argmin()) for p in HALVES]
    right = sum(int(i == nearest[n]) for n, p in enumerate(HALVES) for i in range(len(X[p])))
    assert own.loc["accuracy", "muted"] == right / 6
    with pytest.raises(InfluenceError, match="other numbers of classes"):
        measure(network, batches, mutes=["zero"], metrics={"z": ["class_accuracy"]})


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: torch.zeros(2, 3, device="meta"), "meta"),
        (lambda: torch.eye(2).to_sparse(), "sparse"),
        (lambda: [torch.zeros(2), torch.eye(2).to_sparse()], "sparse"),
    ],
)
def test_tensors_without_plain_values_are_refused(make: Callable[[], Any], kind: str) -> None:
    with pytest.raises(InfluenceError, match=f"batch 0: holds a {kind} tensor"):
        MemorySet.collect([({"x": make()}, {"y": torch.zeros(2)})])
