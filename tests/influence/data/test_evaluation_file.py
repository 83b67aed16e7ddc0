"""The evaluation file: what is written is read, and what is damaged is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from influence.data.evaluation_file import EvaluationFile
from influence.data.evaluation_writer import write_evaluation_file
from influence.errors import InfluenceError
from tests.toy import CLASSES, toy_arrays, write_toy_file


def test_round_trip(tmp_path: Path) -> None:
    path = write_toy_file(
        tmp_path / "a.h5",
        ids=[f"scene {i}" for i in range(13)],
        groups=["kitchen", "bath"] * 6 + ["kitchen"],
        name="rooms",
        attributes={
            "targets/semantic": {"ignore": 255, "classes": CLASSES},
            "targets/depth": {"unit": "m", "range": (0.5, 10.0)},
        },
    )
    data, arrays = EvaluationFile(path), toy_arrays()
    assert (data.name, len(data), data.ids[3]) == ("rooms", 13, "scene 3")
    assert data.groups is not None
    assert len(set(data.groups.tolist())) == 2
    assert data.targets["semantic"].classes == CLASSES
    assert data.targets["depth"].range == (0.5, 10.0)
    assert data.targets["depth"].unit == "m"
    sample = data.read(np.array([3]))
    np.testing.assert_array_equal(sample.inputs["semantic"][0], arrays["inputs"]["semantic"][3])
    np.testing.assert_array_equal(sample.targets["depth"][0], arrays["targets"]["depth"][3])
    labels = arrays["targets"]["semantic"][3].astype(int)
    expected = np.where(labels == 255, -1, labels)
    np.testing.assert_array_equal(sample.targets["semantic"][0], expected)


def test_name_and_ids_have_defaults(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    assert (data.name, data.ids[:2], data.groups) == ("toy", ["0", "1"], None)


def test_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_toy_file(tmp_path / n).read_bytes() for n in ("a.h5", "b.h5"))
    assert first == second


def test_survives_the_way_to_a_worker(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    copied = pickle.loads(pickle.dumps(data))
    one, other = (found.read(np.array([5])).inputs["depth"] for found in (data, copied))
    assert one.equal(other)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"gone\.h5: no such evaluation file"):
        EvaluationFile(tmp_path / "gone.h5")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(64), b"hello\n", b"\x89HDF\r\n\x1a\n" + bytes(64)]
)
def test_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(InfluenceError, match=r"a\.h5: expected a readable HDF5 .* again"):
        EvaluationFile(path)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_file(tmp_path: Path, toy_file: Path, part: float) -> None:
    content = toy_file.read_bytes()
    path = tmp_path / "a.h5"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InfluenceError, match=r"a\.h5: expected a readable HDF5 .*truncated"):
        EvaluationFile(path)


def test_damage_in_the_middle_is_found_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("HELD", "SMALL"):  # as for a larger file
        monkeypatch.setattr(f"influence.data.evaluation_file.{limit}", 0)
    depth = np.random.default_rng(0).random((6, 1, 160, 160)).astype(np.float32)
    path = tmp_path / "a.h5"
    write_evaluation_file(path, inputs={"depth": depth}, targets={})
    with h5py.File(path) as file:
        chunk = file["inputs/depth"].id.get_chunk_info(4)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    data = EvaluationFile(path)
    np.testing.assert_array_equal(data.read(np.array([3])).inputs["depth"], depth[3:4])
    with pytest.raises(InfluenceError, match=r"a\.h5: .*damaged"):
        data.read(np.array([4]))


def _no_format(file: h5py.File) -> None:
    del file.attrs["format"]


def _future(file: h5py.File) -> None:
    file.attrs["version"] = 99


def _no_inputs(file: h5py.File) -> None:
    del file["inputs"]


def _short(file: h5py.File) -> None:
    del file["targets/depth"]
    file["targets/depth"] = np.ones((12, 5, 6))


def _empty(file: h5py.File) -> None:
    for name in ("inputs/depth", "inputs/semantic", "targets/depth", "targets/semantic"):
        del file[name]
        file[name] = np.ones((0, 5, 6))


def _repeated_ids(file: h5py.File) -> None:
    file["ids"] = ["a"] * 13


def _scalar_ids(file: h5py.File) -> None:
    file["ids"] = 3


def _text(file: h5py.File) -> None:
    file.attrs["version"] = 1  # which knows no texts
    del file["inputs/depth"]
    file["inputs/depth"] = ["a"] * 13


def _nested(file: h5py.File) -> None:
    file["inputs/more/depth"] = np.ones(13)


def _bad_range(file: h5py.File) -> None:
    file["targets/depth"].attrs["range"] = (1.0, 2.0, 3.0)


def _bad_scale(file: h5py.File) -> None:
    file["targets/depth"].attrs["scale"] = "much"


def _falling_range(file: h5py.File) -> None:
    file["targets/depth"].attrs["range"] = (5.0, 1.0)


def _nan_mean(file: h5py.File) -> None:
    file["inputs/depth"].attrs["mean"] = [float("nan")]


def _one_text_for_classes(file: h5py.File) -> None:
    file["targets/semantic"].attrs["classes"] = "floor"


def _flat_groups(file: h5py.File) -> None:
    file["groups"] = np.zeros((13, 2))


def _nan_groups(file: h5py.File) -> None:
    file["groups"] = np.full(13, np.nan)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_falling_range, r"targets/depth: range: input should be \(low, high\) .* got \[5"),
        (_nan_mean, "inputs/depth: mean: 0: input should be a finite number, got nan"),
        (_one_text_for_classes, "targets/semantic: classes: input should be .* got 'floor'"),
        (_flat_groups, r"'groups' has shape \(13, 2\), expected one value a sample"),
        (_nan_groups, "'groups' .* no NaN"),
        (_no_format, "attribute format = 'influence-evaluation'.* of another kind"),
        (_future, "version 99, this program reads versions 1 and 2"),
        (_no_inputs, r"expected a group 'inputs' .*found \['targets'\]"),
        (_short, "same number of samples everywhere, got .*'targets/depth': 12"),
        (_empty, "holds no samples"),
        (_repeated_ids, "'ids' must be unique"),
        (_scalar_ids, "damaged or of another format"),
        (_text, "inputs/depth holds object, expected numbers"),
        (_nested, "inputs/more is not an array of samples"),
        (_bad_range, "targets/depth: range: tuple should have at most 2 items"),
        (_bad_scale, "targets/depth: scale: input should be a valid number, .* got 'much'"),
    ],
)
def test_inconsistent_file(tmp_path: Path, damage: Any, message: str) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InfluenceError, match=rf"a\.h5: .*{message}"):
        EvaluationFile(path)


def test_negative_label_is_out_of_range_unless_it_is_the_ignored_one(tmp_path: Path) -> None:
    labels = np.zeros((13, 5, 6), dtype=np.int16)
    labels[2, 0, 0] = -7
    targets = toy_arrays()["targets"] | {"semantic": labels}
    path = write_toy_file(tmp_path / "a.h5", targets=targets)
    with pytest.raises(InfluenceError, match="targets/semantic: label -7 of sample '2' is out of"):
        EvaluationFile(path).read(np.array([1, 2]))
    ignored = {"targets/semantic": {"ignore": -7}}
    path = write_toy_file(tmp_path / "b.h5", targets=targets, attributes=ignored)
    assert EvaluationFile(path).read(np.array([2])).targets["semantic"][0, 0, 0] == -1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["a"]}, "same number of samples, above 0, got .*'ids': 1"),
        ({"groups": [1, 2]}, "'groups': 2"),
        ({"inputs": {"x": np.ones((0, 2))}, "targets": {"y": np.ones(0)}}, "above 0"),
        ({"inputs": {"x": 3.0}}, "inputs/x has no axis of samples"),
        ({"inputs": {"x": np.array([None] * 13)}}, "inputs/x holds object, expected numbers"),
        ({"inputs": {"x": np.ones((13, 0))}}, r"inputs/x has the shape \(13, 0\)"),
        ({"attributes": {"targets/dpeth": {}}}, r"attributes for \['targets/dpeth'\]"),
    ],
)
def test_unfit_arrays_are_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        write_evaluation_file(tmp_path / "a.h5", **(toy_arrays() | changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("empty_group", [False, True])
def test_file_without_targets(tmp_path: Path, empty_group: bool) -> None:
    path = tmp_path / "a.h5"
    write_evaluation_file(path, inputs={"x": np.arange(6.0).reshape(3, 2)}, targets={})
    if empty_group:
        with h5py.File(path, "r+") as file:
            file.create_group("targets")
    data = EvaluationFile(path)
    assert (len(data), data.targets) == (3, {})
    assert data.read(np.array([1])).inputs["x"].tolist() == [[2.0, 3.0]]
    assert data.read(np.array([1])).targets == {}


def test_types_texts_and_lengths_make_the_round_trip(tmp_path: Path) -> None:
    stream = np.random.default_rng(0)
    points = [stream.random((n, 3)).astype(np.float32) for n in (4, 0, 2)]
    inputs: dict[str, Any] = {
        "rgb": stream.integers(0, 256, (3, 2, 2)).astype(np.uint8),
        "time": 2**53 + np.arange(3),
        "valid": np.array([[True, False], [False, False], [True, True]]),
        "wave": (stream.random((3, 2)) + 1j).astype(np.complex64),
        "points": points,
        "text": ["a man", "", "zwölf"],
        "intrinsics": np.eye(3),
    }
    targets: dict[str, Any] = {"y": np.arange(3.0), "boxes": [np.ones((n, 4)) for n in (1, 2, 0)]}
    path = tmp_path / "a.h5"
    attributes = {"inputs/intrinsics": {"shared": True}}
    write_evaluation_file(path, inputs=inputs, targets=targets, attributes=attributes)
    data = EvaluationFile(path)
    assert (data.version, len(data), data.uniform, data.given) == (2, 3, False, None)
    batch = data.read(np.array([2, 0]))
    found: dict[str, Any] = dict(batch.inputs)
    assert {n: found[n].dtype for n in ("rgb", "time", "valid", "wave")} == {
        "rgb": torch.uint8, "time": torch.int64, "valid": torch.bool, "wave": torch.complex64,
    }  # fmt: skip
    for name in ("rgb", "time", "valid", "wave"):
        np.testing.assert_array_equal(found[name].numpy(), inputs[name][[2, 0]])
    assert found["text"] == ["zwölf", "a man"]
    assert [x.shape for x in found["points"]] == [(2, 3), (4, 3)]
    np.testing.assert_array_equal(found["points"][1].numpy(), points[0])
    assert data.read(np.array([1])).inputs["points"][0].shape == (0, 3)
    np.testing.assert_array_equal(batch.shared["intrinsics"], np.eye(3))
    assert [len(x) for x in batch.targets["boxes"]] == [0, 1]


def test_integers_are_numbers_in_files_of_version_1_and_stay_in_those_of_version_2(
    tmp_path: Path,
) -> None:
    x = np.array([[3, 250], [0, 7]], dtype=np.uint8)
    path = tmp_path / "a.h5"
    write_evaluation_file(path, inputs={"x": x}, targets={})
    new: Any = EvaluationFile(path).read(np.arange(2)).inputs["x"]
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 1
    opened = EvaluationFile(path)
    old: Any = opened.read(np.arange(2)).inputs["x"]
    assert (new.dtype, old.dtype) == (torch.uint8, torch.float32)
    assert new.tolist() == old.tolist() == x.tolist()
    assert not opened.inputs["x"].integer


def test_scaled_inputs_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    stored = np.array([[100], [250]], dtype=np.uint16)
    attributes = {"inputs/x": {"scale": 0.01, "ignore": 250}}
    write_evaluation_file(path, inputs={"x": stored}, targets={}, attributes=attributes)
    found: Any = EvaluationFile(path).read(np.arange(2)).inputs["x"]
    assert found.dtype == torch.float32
    assert found[0].item() == pytest.approx(1.0)
    assert found[1].isnan()


@pytest.mark.parametrize("offsets", [[0, 2, 1, 3], [0, 1, 2, 9], [1, 2, 3], [0.0, 1.0, 3.0]])
def test_offsets_that_do_not_rise_are_refused(tmp_path: Path, offsets: list[Any]) -> None:
    path = tmp_path / "a.h5"
    points = [np.ones((n, 2)) for n in (1, 0, 2)]
    write_evaluation_file(path, inputs={"p": points}, targets={})
    with h5py.File(path, "r+") as file:
        del file["inputs/p/offsets"]
        file["inputs/p/offsets"] = offsets
    with pytest.raises(InfluenceError, match=r"inputs/p/offsets: expected integers that rise from"):
        EvaluationFile(path)


def _latin_ids(file: h5py.File) -> None:
    file["ids"] = [b"caf\xe9" + str(i).encode() for i in range(13)]


def _nul_ids(file: h5py.File) -> None:
    file["ids"] = np.array([["a", f"b{i}"] for i in range(13)], dtype="S2").view("S4")[:, 0]


def _two_ignored_labels(file: h5py.File) -> None:
    file["targets/semantic"].attrs["ignore"] = [254, 255]


def _unwritten(file: h5py.File) -> None:
    del file["inputs/depth"]
    file.create_dataset("inputs/depth", (13, 1, 5, 6), "f4", chunks=(5, 1, 5, 6))[:5] = 1


def _unwritten_pictures(file: h5py.File) -> None:
    file.create_dataset("images/rgb", (13, 5, 6, 3), "u1", chunks=(1, 5, 6, 3))


def _wide_complex(file: h5py.File) -> None:
    file["inputs/wave"] = np.ones(13, np.clongdouble)


def _lists_for_groups(file: h5py.File) -> None:
    file.create_dataset("groups", (13,), h5py.vlen_dtype("i4"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_latin_ids, r"ids: text 0, b'caf\\xe90', is not UTF-8"),
        (_nul_ids, "ids: that of sample 0, .* holds a NUL"),
        (_two_ignored_labels, r"semantic: ignore: expected one number, got \[254, 255\]"),
        (_unwritten, "depth: 2 of its 3 chunks were never written, so 8 of its 13 samples, from"),
        (_unwritten_pictures, "images/rgb: 13 of its 13 chunks were never written"),
        (_wide_complex, "inputs/wave holds complex256, expected numbers"),
        (_lists_for_groups, "groups hold object, expected texts or numbers"),
    ],
)
def test_the_reason_is_told(tmp_path: Path, damage: Any, message: str) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InfluenceError, match=rf"a\.h5: .*{message}"):
        EvaluationFile(path)


WRITER = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(1, flush=True); input()"


def test_a_file_that_is_written_elsewhere_is_said_to_be(toy_file: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(toy_file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(InfluenceError, match="another program has it open for writing"):
            EvaluationFile(toy_file)
        writer.communicate(b"\n")
    assert len(EvaluationFile(toy_file)) == 13


def test_a_file_on_which_the_library_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influence.runtime.reading.probing.SECONDS", 1)
    path = write_toy_file(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    place = content.index(b"GCOL") + 24  # the size of the first text: with its header it is 0
    content[place : place + 8] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(InfluenceError, match=r"search for ever, .* Write or copy it again"):
        EvaluationFile(path)


@pytest.mark.parametrize("path", ["/dev/zero", "a\0b", "d" * 5000, "."])
def test_paths_of_no_file_are_told(path: str) -> None:
    with pytest.raises(InfluenceError, match="Check the name"):
        EvaluationFile(path)


def _virtual(path: Path) -> Path:
    """Let the depth of a set lie in another file."""
    source = path.with_name("depth.h5")
    with h5py.File(path, "r+") as file, h5py.File(source, "w") as other:
        file.copy("inputs/depth", other, "x")
        layout = h5py.VirtualLayout((13, 1, 5, 6), "f4")
        layout[:] = h5py.VirtualSource(source.name, "x", (13, 1, 5, 6))
        del file["inputs/depth"]
        file.create_virtual_dataset("inputs/depth", layout)
    return source


def test_values_in_other_files_are_refused(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    _virtual(path)
    message = r"inputs/depth is virtual data that take their bytes from elsewhere \(.*depth\.h5\)"
    with pytest.raises(InfluenceError, match=message):
        EvaluationFile(path)


def test_allowed_sources_are_hashed_with_the_file(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    source = _virtual(path)
    first = EvaluationFile(path, sources=True)
    expected = toy_arrays()["inputs"]["depth"]
    np.testing.assert_array_equal(first.read(np.arange(13)).inputs["depth"], expected)
    assert EvaluationFile(path, sources=True).sha256 == first.sha256
    first.close()
    with h5py.File(source, "r+") as file:
        file["x"][0] += 1
    assert EvaluationFile(path, sources=True).sha256 != first.sha256
    with pytest.raises(InfluenceError, match=r"depth\.h5: changed while it was measured"):
        first.read(np.arange(2))


@pytest.mark.parametrize("opened", [False, True])
def test_a_file_that_changes_is_not_read_on(tmp_path: Path, opened: bool) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    data = EvaluationFile(path)
    if opened:
        data.read(np.arange(2))
    copied = pickle.loads(pickle.dumps(data))
    with path.open("r+b") as raw:
        raw.seek(-1, os.SEEK_END)
        raw.write(b"\0")
    os.utime(path, ns=(0, 0))  # however coarse the clock of the file system is
    for changed in (data, copied):
        with pytest.raises(InfluenceError, match=r"a\.h5: changed while it was measured"):
            changed.read(np.arange(2))
