"""What a user may give as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence.data.dataset import MemorySet
from influence.data.evaluation_file import EvaluationFile
from influence.data.source import name_groups, open_data
from influence.data.stream import BatchStream
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.results.run import Run
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
    assert name_groups(np.array([7, 3, 7])) == ["group:7", "group:3"]
    assert name_groups(np.array([b"a", "b"], dtype=object)) == ["group:a", "group:b"]


def test_data_without_groups_and_streams_are_refused(path: Path, toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match=r"toy\.h5 says of no sample to which group"):
        run(toy_file)
    for data in (path, batches()):
        with pytest.raises(InfluenceError, match=r"by group need .* a stream keeps none"):
            run(data, stream=True)  # type: ignore[arg-type]
    with pytest.raises(InfluenceError, match="the data given says of no sample"):
        measure(toy(), MemorySet.collect(batches()), levels="group", mutes=["zero"])
