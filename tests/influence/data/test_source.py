"""What can be given as data; streams: what they yield, keep and refuse."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from influence.data.dataset import Field
from influence.data.evaluation_file import EvaluationFile
from influence.data.memory import MemorySet
from influence.data.source import BatchStream, find_groups, open_data
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.results.run_directory import Run
from influence.statistics.bootstrap import holm
from tests.toy import batches, toy, toy_arrays, write_toy_file


@pytest.mark.parametrize("stream", [False, True])
def test_files_and_sets_have_random_access(toy_file: Path, stream: bool) -> None:
    opened = open_data(toy_file, stream=stream)
    assert isinstance(opened, EvaluationFile)
    assert open_data(opened, stream=stream) is opened


def test_batches_are_collected_or_left_to_be_read_once() -> None:
    collected, stream = open_data(batches()), open_data(batches(), stream=True)
    assert isinstance(collected, MemorySet)
    assert isinstance(stream, BatchStream)
    assert len(collected) == sum(len(batch) for batch in stream) == 13


def test_data_of_no_known_form_is_refused() -> None:
    with pytest.raises(InfluenceError, match=r"path of an evaluation file or an iterable .* int"):
        open_data(5)  # type: ignore[call-overload]


GROUPS = np.array(["hall", "bath", "hall", "attic"] * 3 + ["bath"], dtype=object)


def run(path: Path, **options: Any) -> Run:
    known: dict[str, Any] = {"mutes": ["zero"], "draws": 60, "levels": ["group"]}
    metrics = {"depth": ["rms"], "semantic": ["mean_iou", "pixel_accuracy"]}
    return measure(toy(), path, metrics=metrics, **(known | options))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_file(tmp_path_factory.mktemp("groups") / "toy.h5", groups=GROUPS)


@pytest.fixture(scope="module")
def grouped(path: Path) -> Run:
    return run(path)


@pytest.mark.parametrize("label", ["hall", "bath", "attic"])
def test_group_is_as_if_measured_alone(grouped: Run, tmp_path: Path, label: str) -> None:
    members = np.flatnonzero(label == GROUPS)
    alone: dict[str, Any] = {
        part: {name: array[members] for name, array in arrays.items()}
        for part, arrays in toy_arrays().items()
    }
    expected = run(write_toy_file(tmp_path / "toy.h5", **alone), levels=())
    for name in ("influence", "performance"):
        found, plain = getattr(grouped, name), getattr(expected, name)
        found = found[found["level"] == f"group:{label}"].reset_index(drop=True)
        plain = plain[plain["level"] == "all"].reset_index(drop=True)
        assert len(found) == len(plain) > 0
        assert set(found["n"]) == {len(members)}
        numbers = plain.select_dtypes("number").columns.drop(["seed", "p_holm"], errors="ignore")
        np.testing.assert_allclose(found[numbers], plain[numbers], rtol=1e-6, atol=1e-9)


def test_everything_else_stays_as_it_was(grouped: Run, path: Path) -> None:
    plain = run(path, levels=())
    assert grouped.samples.equals(plain.samples)
    rest = grouped.influence[~grouped.influence["level"].str.startswith("group:")]
    columns = plain.influence.columns.drop("p_holm")
    assert rest.reset_index(drop=True)[columns].equals(plain.influence[columns])


def test_groups_belong_to_the_family_of_finer_levels(grouped: Run) -> None:
    fine = grouped.influence[grouped.influence["level"] != "all"]
    assert {"class:floor", "group:hall"} <= set(fine["level"])
    assert fine["p_holm"].tolist() == pytest.approx(holm(fine["p_value"].tolist()), nan_ok=True)


def test_group_of_one_sample_has_no_interval(path: Path) -> None:
    frame = run(path, limit=4).influence
    one = frame[frame["level"] == "group:attic"]
    assert one["omega"].notna().all()
    assert one[["omega_low", "omega_high", "p_value"]].isna().all(axis=None)
    assert set(frame[frame["level"] == "group:hall"]["n"]) == {2}


def test_groups_of_numbers_and_bytes_have_names() -> None:
    x = torch.zeros(3, 1)
    data = MemorySet.collect([({"x": x}, {"y": x})])
    numbers = replace(data, groups=np.array([7, 3, 7]))
    assert find_groups(numbers, None, stream=False) == ["group:7", "group:3"]
    texts = replace(data, groups=np.array([b"a", "b", "c"], dtype=object))
    assert find_groups(texts, 2, stream=False) == ["group:a", "group:b"]


def test_data_without_groups_and_streams_are_refused(path: Path, toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match=r"toy\.h5 has no groups\. Leave out the level"):
        run(toy_file)
    for data in (path, batches()):
        with pytest.raises(InfluenceError, match=r"by group need .* a stream keeps none"):
            run(data, stream=True)  # type: ignore[arg-type]
    with pytest.raises(InfluenceError, match="the data given has no groups"):
        measure(toy(), MemorySet.collect(batches()), levels="group", mutes=["zero"])


def pair(count: int, *, places: int = 3, **facts: Any) -> tuple[Any, ...]:
    """Make a batch of inputs x, targets values and labels, and facts if there are any."""
    x = torch.arange(count * places, dtype=torch.float64).reshape(count, places)
    targets = {"values": x.sum(1).half(), "labels": torch.full((count, places), 7).to(torch.uint8)}
    return ({"x": x}, targets, facts) if facts else ({"x": x}, targets)


def test_fields_are_those_of_the_first_batch() -> None:
    stream = BatchStream([pair(2), pair(2)], name="night")
    assert stream.inputs == {"x": Field((3,), integer=False)}
    assert stream.targets == {
        "values": Field((), integer=False),
        "labels": Field((3,), integer=True),
    }
    assert (stream.name, stream.sha256) == ("night", "")


def test_batches_come_in_order_with_positions_and_in_the_types_of_a_file() -> None:
    first, second = BatchStream([pair(2), list(pair(3))])
    assert [first.indices.tolist(), second.indices.tolist()] == [[0, 1], [2, 3, 4]]
    assert [first.ids, second.ids] == [["0", "1"], ["2", "3", "4"]]
    assert first.groups is None
    assert first.inputs["x"].dtype == torch.float64
    assert (first.targets["values"].dtype, first.targets["labels"].dtype) == (
        torch.float32,
        torch.int64,
    )
    assert first.targets["values"].tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    "groups", [["a", "b"], np.array([4, 5]), torch.tensor([4, 5]), (4, 5)], ids=type
)
def test_ids_and_groups_come_with_a_batch(groups: Any) -> None:
    (batch,) = BatchStream([pair(2, ids=[17, "last"], groups=groups)])
    assert batch.ids == ["17", "last"]
    assert batch.groups is not None
    assert list(batch.groups) == [groups[0], groups[1]]


def test_a_batch_is_read_when_it_is_asked_for_and_then_let_go() -> None:
    alive: list[weakref.ref[Tensor]] = []

    def made() -> Iterator[Any]:
        for _ in range(20):
            batch = pair(2)
            alive.append(weakref.ref(batch[0]["x"]))
            yield batch

    stream = BatchStream(made())
    assert len(alive) == 1
    for number, _batch in enumerate(stream, 1):
        assert len(alive) == number
        assert sum(x() is not None for x in alive) <= 2
    assert len(alive) == 20


def test_batches_without_a_sample_are_passed_over() -> None:
    batches = list(BatchStream([pair(0), pair(2), pair(0), pair(1)]))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1], [2]]


def test_maps_may_change_their_size() -> None:
    shapes = [batch.inputs["x"].shape for batch in BatchStream([pair(2), pair(2, places=5)])]
    assert shapes == [(2, 3), (2, 5)]


def test_a_stream_is_read_once() -> None:
    stream = BatchStream([pair(2)])
    assert len(list(stream)) == 1
    with pytest.raises(InfluenceError, match="read before, and can be read only once"):
        list(stream)


def without(batch: Any, name: str) -> Any:
    inputs, targets = batch
    return inputs, {n: x for n, x in targets.items() if n != name}


def as_values(batch: Any) -> Any:
    inputs, targets = batch
    return inputs, targets | {"labels": torch.full((2, 3), torch.nan)}


def as_labels(batch: Any) -> Any:
    inputs, targets = batch
    return inputs, targets | {"values": torch.tensor([3, -1])}


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "the stream yielded no batch, expected one or more"),
        ([pair(0), pair(0)], "the stream yielded no sample, expected one or more"),
        ([5], r"batch 0: expected a pair \(inputs, targets\) .* got int"),
        ([{"x": torch.ones(2)}], "batch 0: expected a pair .* got a mapping with x.* fields="),
        ([(*pair(2), "night")], "batch 0: expected a pair .* got a tuple of dict, dict, str"),
        ([([1.0], [2.0])], "of mappings name -> tensor, got a tuple of list, list"),
        ([({"x": torch.ones(2)}, {"y": torch.ones(3)})],
         "batch 0: 'x' has 2 samples, those before it 3"),
        ([({"x": torch.tensor(1.0)}, {})], "batch 0: 'x' has no axis of samples"),
        ([pair(2), 5], "batch 1: expected a pair"),
        ([pair(2), without(pair(2), "labels")],
         r"batch 1: targets are named \['values'\], in the first batch \['labels', 'values'\]"),
        ([pair(2), ({"z": torch.ones(2, 3)}, pair(2)[1])],
         r"batch 1: inputs are named \['z'\], in the first batch \['x'\]"),
        ([pair(2), as_values(pair(2))],
         r"batch 1: targets/labels holds torch.float32, and in the first batch labels"),
        ([pair(2), as_labels(pair(2))],
         r"batch 1: targets/values holds torch.int64, and in the first batch values"),
        ([pair(2, ids=["a"])], "batch 0: 1 ids for 2 samples"),
        ([pair(2, groups=[1, 2, 3])], "batch 0: 3 groups for 2 samples"),
        ([pair(2, group=[1, 2])], "unknown fact of a batch 'group': did you mean 'groups'"),
        ([pair(2, groups=[1, 2]), pair(2)], "batch 1 comes without groups, the .* with:"),
        ([pair(2), pair(2, ids=["a", "b"])], "batch 1 comes with ids, the first one without:"),
        ([pair(2, groups=["a", None])], "batch 0: groups: sample 1 has no group, but None"),
        ([pair(2, groups=["1", 1])], "batch 0: groups: expected all texts or all numbers"),
        ([pair(2), pair(2, groups=[1, 2])], "batch 1 comes with groups, the first one without:"),
    ],
)  # fmt: skip
def test_what_is_no_stream_of_pairs_is_refused(batches: list[Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        list(BatchStream(batches))


@pytest.mark.parametrize("change", [as_values, as_labels])
def test_sets_in_memory_have_one_kind_of_target_too(change: Any) -> None:
    with pytest.raises(InfluenceError, match=r"batch 1: targets/.* and in the first batch"):
        open_data([pair(2), change(pair(2))])


@pytest.mark.parametrize("repeated", [0, 1])  # in one batch, or in two
def test_ids_that_repeat_in_a_stream_are_refused(repeated: int) -> None:
    names = [["a", "a"] if repeated == 0 else ["a", "b"], ["c", "b"]]
    stream = BatchStream(
        [({"x": torch.ones(2)}, {"y": torch.ones(2)}, {"ids": own}) for own in names]
    )
    with pytest.raises(InfluenceError, match=r"'ids' must be unique, and '[ab]' repeats"):
        list(stream)


def test_ids_that_repeat_in_a_set_of_ones_own_are_refused() -> None:
    class Own(MemorySet):
        @property
        def ids(self) -> list[str]:
            return ["a", "b", "a"]

    data = MemorySet.collect([({"x": torch.ones(3)}, {"y": torch.ones(3)})])
    with pytest.raises(InfluenceError, match=r"'a' repeats \(samples 0 and 2\)"):
        open_data(Own(data.inputs, data.targets, data.batches))


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_users_data_raise_is_told(stream: bool) -> None:
    def fail() -> Iterator[Any]:
        yield {"x": torch.ones(2)}, {"y": torch.ones(2)}
        raise OSError("disk is gone")

    def read() -> None:
        found: Any = open_data(fail(), stream=stream)
        list(found)

    with pytest.raises(InfluenceError, match="failed after 1 items: OSError: disk is gone"):
        read()
