"""Archives that are cut off, foreign, or claim more than they hold."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import pytest
import torch

from influence.errors import InfluenceError
from influence.network.programs.archive import read_members, read_tensors, with_text
from tests.influence.network.programs.archives import honest_file, members_of, pack, tampered

WEIGHTS = "data/weights/model_weights_config.json"


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def rooted() -> list[tuple[str, bytes]]:
    """Return the members without sample inputs, which are an archive inside the archive."""
    members = members_of(honest_file()) | {"data/sample_inputs/model.pt": b""}
    return [(f"archive/{name}", content) for name, content in members.items()]


def test_members_are_the_archives() -> None:
    assert read_members(honest_file()) == members_of(honest_file())
    assert [f"archive/{name}" for name in read_members(zipped(rooted()))] == [
        n for n, _ in rooted()
    ]


def test_only_the_text_is_changed() -> None:
    changed = with_text(honest_file(), "influence.json", "else")
    expected = members_of(honest_file()) | {"extra/influence.json": b"else"}
    assert list(read_members(changed).items()) == list(expected.items())
    with pytest.raises(InfluenceError, match=r"it has no gone\.json"):
        with_text(honest_file(), "gone.json", "else")
    with pytest.raises(InfluenceError, match=r"not a \.pt2 file"):
        with_text(b"none", "influence.json", "else")


def test_compressed_members_are_refused() -> None:
    bomb = zipped([*rooted(), ("archive/extra/bomb", bytes(10**6))], zipfile.ZIP_DEFLATED)
    with pytest.raises(InfluenceError, match="compressed"):
        read_members(bomb)


def test_members_cannot_claim_more_than_the_file() -> None:
    """Directory entries that share their bytes would let a small file fill the memory."""
    data = zipped([*rooted(), ("archive/extra/a", bytes(10**5))])
    end = data.rindex(b"PK\x05\x06")
    entry = data[data.rindex(b"PK\x01\x02") : end]
    copies = b"".join(entry.replace(b"extra/a", b"extra/%c" % c) for c in b"bcd")
    _, _, count, _, size, offset = struct.unpack("<HHHHII", data[end + 4 : end + 20])
    sizes = struct.pack("<HHHHII", 0, 0, count + 3, count + 3, size + len(copies), offset)
    overlapping = data[:end] + copies + data[end : end + 4] + sizes + data[end + 20 :]
    with zipfile.ZipFile(io.BytesIO(overlapping)) as archive:
        assert len(archive.infolist()) == count + 3
    with pytest.raises(InfluenceError, match="more bytes than the file"):
        read_members(overlapping)


def test_repeated_members_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([*rooted(), ("archive/models/model.json", b"{}")])
    with pytest.raises(InfluenceError, match="repeats a member"):
        read_members(data)


def test_two_roots_are_refused() -> None:
    with pytest.raises(InfluenceError, match="several roots"):
        read_members(zipped([*rooted(), ("other/extra/note", b"")]))


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(kept: float) -> None:
    data = zipped(rooted())
    with pytest.raises(InfluenceError, match="cut off"):
        read_members(data[: int(kept * len(data))])


def test_a_changed_byte_is_noticed() -> None:
    data = bytearray(honest_file())
    data[data.index(b"graph_module")] ^= 1
    with pytest.raises(InfluenceError, match="CRC"):
        read_members(bytes(data))


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ([("archive/constants.pkl", b"")], "TorchScript code"),
        ([("archive/data.pkl", b"")], "weights or a pickled module"),
        ([("word/document.xml", b"")], "something else"),
    ],
)
def test_foreign_archives_are_named(members: list[tuple[str, bytes]], kind: str) -> None:
    with pytest.raises(InfluenceError, match=kind):
        read_members(zipped(members))


def test_another_byte_order_is_refused() -> None:
    members = dict(rooted()) | {"archive/byteorder": b"big"}
    with pytest.raises(InfluenceError, match="byte order"):
        read_members(zipped(list(members.items())))


def weight_with(**meta: Any) -> bytes:
    def change(content: Any) -> None:
        content["config"]["layer.weight"]["tensor_meta"] |= meta

    return tampered(change, WEIGHTS)


@pytest.mark.parametrize(
    "meta",
    [
        {"sizes": [{"as_int": 10**9}, {"as_int": 3}]},
        {"strides": [{"as_int": 10**9}, {"as_int": 1}]},
        {"strides": [{"as_int": 0}, {"as_int": 0}], "sizes": [{"as_int": 10**9}, {"as_int": 3}]},
        {"strides": [{"as_int": -3}, {"as_int": 1}]},
        {"storage_offset": {"as_int": 1}},
        {"storage_offset": {"as_int": -1}},
        {"dtype": 8},
    ],
)
def test_a_tensor_cannot_reach_beyond_its_bytes(meta: dict[str, Any]) -> None:
    with pytest.raises(InfluenceError, match=r"'layer\.weight' of shape .* does not fit"):
        read_tensors(read_members(weight_with(**meta)), "weights")


def test_tensors_keep_order_shape_and_type() -> None:
    values = torch.arange(6, dtype=torch.int16)
    entries = {
        "transposed": ([2, 3], [1, 2], 0),
        "tail": ([2], [1], 4),
        "none": ([3, 0], [1, 1], 0),
        "scalar": ([], [], 5),
    }
    config = {
        name: {
            "path_name": "weight_0",
            "is_param": False,
            "use_pickle": False,
            "tensor_meta": {
                "dtype": 3,
                "sizes": [{"as_int": n} for n in sizes],
                "strides": [{"as_int": n} for n in strides],
                "storage_offset": {"as_int": offset},
            },
        }
        for name, (sizes, strides, offset) in entries.items()
    }
    members = {
        WEIGHTS: json.dumps({"config": config}).encode(),
        "data/weights/weight_0": values.numpy().tobytes(),
    }
    tensors = read_tensors(members, "weights")
    for name, (sizes, strides, offset) in entries.items():
        expected = values.as_strided(sizes, strides, offset) if name != "none" else values[:0]
        assert torch.equal(tensors[name].flatten(), expected.flatten()), name
        assert list(tensors[name].shape) == sizes
        assert tensors[name].dtype == torch.int16


def test_a_missing_member_is_named() -> None:
    members = members_of(honest_file())
    del members["data/weights/weight_0"]
    with pytest.raises(InfluenceError, match="weight_0"):
        read_tensors(read_members(pack(members)), "weights")
