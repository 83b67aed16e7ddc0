"""Hostile checkpoints: programs, weights, safetensors, folders and ONNX models."""

from __future__ import annotations

import json
import struct
from random import Random

from tests.hostile.attacks.archives import code_pickle, mutate_archive
from tests.hostile.attacks.commands import read_network
from tests.hostile.mutation import TEXTS, mutate_bytes, mutate_json
from tests.hostile.sandbox import Attack, Sandbox

__all__ = ["folders", "mutate_safetensors", "onnx_models", "programs", "safetensors", "weights"]


def programs(stream: Random, box: Sandbox) -> Attack:
    """Exported programs, whose archive, graph, weights or members are changed."""
    path = box.take("net.pt2")
    data, note, sound = mutate_archive(stream, path.read_bytes(), str(box.canary))
    path.write_bytes(data)
    arguments, writes = read_network(stream, box, path.name)
    return Attack(arguments, note, writes, may_succeed=sound)


def weights(stream: Random, box: Sandbox) -> Attack:
    """Weights as torch saves them: changed archives and pickles, strange tensors, code."""
    names = sorted(path.name for path in box.seeds.glob("*.pt*") if path.suffix != ".pt2")
    name = stream.choice(("weights.pt", "wrapped.pth", "legacy.pt", stream.choice(names)))
    path = box.take(name)
    data, note, sound = path.read_bytes(), "as it is", True
    if not name.startswith("strange"):
        if stream.random() < 0.15:
            data, note, sound = code_pickle(stream, str(box.canary)), "a pickle of code", False
        elif name == "legacy.pt":
            data, note = mutate_bytes(stream, data)
        else:
            data, note, sound = mutate_archive(stream, data, str(box.canary))
    path.write_bytes(data)
    arguments, writes = read_network(stream, box, path.name, factory=True)
    return Attack(arguments, f"{name}: {note}", writes, may_succeed=sound)


def mutate_safetensors(stream: Random, data: bytes) -> tuple[bytes, str]:
    if stream.random() < 0.3:
        return mutate_bytes(stream, data)
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = data[8 : 8 + length].decode(), data[8 + length :]
    text, note = mutate_json(stream, header)
    content = text.encode(errors="surrogatepass")
    claimed = len(content)
    if stream.random() < 0.2:
        claimed = stream.choice((0, 1, 2**40, 2**63, 2**64 - 1, claimed + 1, claimed - 1)) % 2**64
        note += f"; claims {claimed}"
    return struct.pack("<Q", claimed) + content + rest, note


def safetensors(stream: Random, box: Sandbox) -> Attack:
    """Safetensors: a changed header, a claimed length, changed bytes."""
    path = box.take("weights.safetensors")
    data, note = mutate_safetensors(stream, path.read_bytes())
    path.write_bytes(data)
    arguments, writes = read_network(stream, box, path.name, factory=True)
    return Attack(arguments, note, writes)


def folders(stream: Random, box: Sandbox) -> Attack:
    """A folder of weights in parts: changed index, configuration and parts, links, lost files."""
    folder = box.take("parts")
    index = folder / "model.safetensors.index.json"
    parts = sorted(folder.glob("*.safetensors"))
    kind = stream.choice(
        ("index", "index", "names", "part", "config", "lost", "link", "loop", "pickle")
    )
    sound, note = True, kind
    if kind == "index":
        text, note = mutate_json(stream, index.read_text())
        index.write_bytes(text.encode(errors="surrogatepass"))
    elif kind == "names":
        found = json.loads(index.read_text())
        key = stream.choice(sorted(found["weight_map"]))
        found["weight_map"][key] = name = stream.choice(TEXTS)
        index.write_text(json.dumps(found))
        note, sound = f"{key} lies in {name!r:.40}", False
    elif kind == "part":
        part = stream.choice(parts)
        data, note = mutate_safetensors(stream, part.read_bytes())
        part.write_bytes(data)
    elif kind == "config":
        text, note = mutate_json(stream, (folder / "config.json").read_text())
        (folder / "config.json").write_bytes(text.encode(errors="surrogatepass"))
    elif kind == "lost":
        lost = stream.choice([*parts, index, folder / "config.json"])
        lost.unlink()
        note, sound = f"lost {lost.name}", lost.name == "config.json"
    elif kind == "link":
        part = stream.choice([*parts, index])
        part.unlink()
        target = stream.choice(
            ("/dev/zero", "/etc/passwd", "../../outside/notes.txt", part.name, ".")
        )
        part.symlink_to(target)
        note, sound = f"{part.name} links to {target}", False
    elif kind == "loop":
        (folder / "loop").symlink_to(".")
    else:
        index.unlink()
        for part in parts:
            part.unlink()
        (folder / "pytorch_model.bin").write_bytes(code_pickle(stream, str(box.canary)))
        sound = False
    arguments, writes = read_network(stream, box, folder.name, factory=True)
    if "--network" not in arguments:
        sound = False
    return Attack(arguments, note, writes, may_succeed=sound)


def onnx_models(stream: Random, box: Sandbox) -> Attack:
    """ONNX models: changed bytes, other operators, and tensors that lie in other files."""
    path = box.work / "net.onnx"
    sound = True
    if not (box.seeds / "net.onnx").exists():
        # Without the package they are refused, which is to be said in a sentence as well.
        path.write_bytes(b"\x08\x08\x12\x07pytorch:" + stream.randbytes(200))
        note, sound = "nothing that can be read", False
    else:
        data = (box.seeds / "net.onnx").read_bytes()
        kind = stream.choice(("bytes", "bytes", "name", "place"))
        data, note = mutate_bytes(stream, data)
        if kind == "name":
            data = (box.seeds / "net.onnx").read_bytes()
            old = stream.choice((b"Conv", b"Softmax", b"Concat", b"depth", b"near", b"mixed"))
            new = bytes(stream.randrange(256) for _ in old)
            data, note = data.replace(old, new), f"{old!r} is {new!r}"
        elif kind == "place":
            data, place = _external(stream)
            note, sound = f"a tensor in the file {place!r}", place == path.name
        path.write_bytes(data)
    factory = stream.random() < 0.5
    arguments, writes = read_network(stream, box, path.name, factory=factory)
    return Attack(arguments, note, writes, may_succeed=sound)


def _external(stream: Random) -> tuple[bytes, str]:
    """Return a model one of whose tensors lies in another file, and the name of that file.

    The only one that it may name is in its own folder.
    """
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4],
                         data_location=TensorProto.EXTERNAL)  # fmt: skip
    location = stream.choice(
        ("../outside/notes.txt", "/etc/passwd", "/dev/zero", "net.onnx", "", "..")
    )
    for key, value in {"location": location, "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 4]) for n in "xyz"]
    nodes = [helper.make_node("Add", ["x", "y"], ["s"]), helper.make_node("Add", ["s", "w"], ["z"])]
    graph = helper.make_graph(nodes, "g", ports[:2], ports[2:], [tensor])
    made: bytes = helper.make_model(graph).SerializeToString()
    return made, location
