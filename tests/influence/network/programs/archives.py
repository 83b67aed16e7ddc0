"""A small honest `.pt2` file, and ways to tamper with it."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.export.pt2_archive._package import PT2ArchiveWriter

MODEL = "models/model.json"
FACTS = {"name": "small", "inputs": [{"name": "x"}, {"name": "y"}], "outputs": [{"name": "z"}]}


class Small(nn.Module):
    """A network with weights, a constant and two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.scale = torch.tensor([1.0, 2.0])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        scaled: Tensor = self.layer(x) * self.scale
        return scaled + y


def small_inputs(samples: int = 2) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(0)
    return {
        "x": torch.rand(samples, 3, generator=stream),
        "y": torch.rand(samples, 2, generator=stream),
    }


@functools.cache
def honest_file(facts: bool = True, free_batch: bool = True) -> bytes:
    """Return what torch.export.save writes for `Small`, sample inputs included."""
    axes = {0: Dim.DYNAMIC} if free_batch else {}
    exported = torch.export.export(
        Small().eval(), tuple(small_inputs().values()), dynamic_shapes=(axes, axes)
    )
    buffer = io.BytesIO()
    texts = {"influence.json": json.dumps(FACTS)} if facts else {}
    torch.export.save(exported, buffer, extra_files=texts)
    return buffer.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def pack(members: dict[str, bytes]) -> bytes:
    """Write an archive as torch does."""
    buffer = io.BytesIO()
    with PT2ArchiveWriter(buffer) as writer:
        for name, content in members.items():
            if not name.startswith(".data/") and name != "byteorder":
                writer.write_bytes(name, content)
    return buffer.getvalue()


def with_member(name: str, content: bytes) -> bytes:
    return pack(members_of(honest_file()) | {name: content})


def tampered(change: Callable[[Any], None], member: str = MODEL) -> bytes:
    """Return the honest file with one JSON member changed in place."""
    members = members_of(honest_file())
    content = json.loads(members[member])
    change(content)
    return pack(members | {member: json.dumps(content).encode()})


def of_torch_2_8(data: bytes) -> bytes:
    """Return an archive as torch 2.8 wrote it: tensors pickled together."""
    members, program = members_of(data), torch.export.load(io.BytesIO(data))
    kept = {n: c for n, c in members.items() if not n.startswith(("data/weights/", "data/const"))}
    return pack(
        kept
        | {
            "data/weights/model.pt": _pickled(program.state_dict),
            "data/constants/model.pt": _pickled(program.constants),
        }
    )


def of_torch_2_6(data: bytes) -> bytes:
    """Return an archive as torch 2.6 wrote it: other names, and no kinds of arguments."""
    members, program = members_of(data), torch.export.load(io.BytesIO(data))
    content = json.loads(members[MODEL])
    for node in content["graph_module"]["graph"]["nodes"]:
        for item in node["inputs"]:
            del item["kind"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps(content))
        archive.writestr("serialized_state_dict.pt", _pickled(program.state_dict))
        archive.writestr("serialized_constants.pt", _pickled(program.constants))
        archive.writestr("serialized_example_inputs.pt", _pickled(((), {})))
        archive.writestr("version", "8.2")
        for name, text in members.items():
            if name.startswith("extra/"):
                archive.writestr(f"extra_files/{name.removeprefix('extra/')}", text)
    return buffer.getvalue()


def _pickled(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
