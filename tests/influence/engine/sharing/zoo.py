"""Small joint networks of many kinds, and batches of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.registry import parse_mute
from influence.network.joint_network import Call, JointNetwork, Modality
from influence.plan.plan import Plan
from influence.plan.setups import Condition

Shapes = Mapping[str, tuple[int, ...]]

aten = torch.ops.aten


class Forwarded(nn.Module):
    """A module of named parts whose forward pass is a function of them and of the inputs."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            if isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                self.add_module(name, part)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.function(self, *inputs, **named)


def network(
    forward: Callable[..., Any],
    shapes: Shapes,
    *,
    outputs: Sequence[str] = ("out",),
    call: Call = "positional",
    **parts: Any,
) -> JointNetwork:
    """Declare a network whose forward pass is a function of its parts and its inputs."""
    return _network(Forwarded(forward, **parts), shapes, outputs=outputs, call=call)


def _network(
    module: nn.Module, shapes: Shapes, *, outputs: Sequence[str] = ("out",), call: Call
) -> JointNetwork:
    inputs = [Modality(name, shape=shape) for name, shape in shapes.items()]
    return JointNetwork(module.eval(), inputs, outputs, call=call)


class Encoder(nn.Module):
    """Two convolutions with batch normalisation, changed in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[0](self.first(x)), inplace=True)
        y: Tensor = self.norms[1](self.second(x))
        y += x
        return F.relu_(y)


def _late(self: Any, *inputs: Tensor) -> Any:
    features = [encoder(x) for encoder, x in zip(self.encoders, inputs, strict=True)]
    joint = torch.cat(features, dim=1)
    return self.map(joint), self.value(joint.mean(dim=(2, 3)))


def late_fusion(*channels: int) -> JointNetwork:
    """One encoder a modality, x, y, ...; a map and values from all of them."""
    torch.manual_seed(0)
    count = len(channels)
    return network(
        _late,
        {name: (c, 5, 6) for name, c in zip("xyz", channels, strict=False)},
        outputs=("map", "value"),
        encoders=nn.ModuleList(map(Encoder, channels)),
        map=nn.Conv2d(8 * count, 2, 1),
        value=nn.Linear(8 * count, 3),
    )


def _mapping(self: Any, inputs: Mapping[str, Tensor]) -> Any:
    return {"b": self.x(inputs["x"]), "unused": inputs["y"], "a": self.y(inputs["y"])}


class Keywords(nn.Module):
    """Takes its inputs by keyword, in another order than they are declared."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, *, y: Tensor, x: Tensor) -> Tensor:
        found: Tensor = self.x(x).relu() * self.y(y)
        return found


def _channels(self: Any, x: Tensor) -> Any:
    return self.head(self.encoder(x))


def _attention(self: Any, x: Tensor, y: Tensor) -> Any:
    x, y = self.x(x).transpose(0, 1), self.y(y).transpose(0, 1)  # samples second
    found, weights = self.cross(x, y, y, average_attn_weights=False)
    return found.transpose(0, 1), weights


def _class_token(self: Any, image: Tensor, vector: Tensor, value: Tensor) -> Any:
    tokens = self.patches(image).flatten(2).transpose(1, 2)
    first = self.token.expand(image.shape[0], -1, -1)
    tokens = self.layer(torch.cat([first, tokens], dim=1))
    return self.head(tokens[:, 0] + self.vector(vector) * value.unsqueeze(-1))


def _recurrent(self: Any, x: Tensor, y: Tensor) -> Any:
    states = tuple(torch.zeros(1, x.shape[0], 4) for _ in range(2))
    first, _ = self.lstm(x.transpose(0, 1), states)
    second, _ = self.gru(y)
    return torch.cat([first[-1], second[:, -1]], dim=1)


def _shapes(self: Any, x: Any, y: Tensor) -> Any:
    pooled, places = F.max_pool2d(self.conv(x), 2, return_indices=True)
    x = F.max_unpool2d(pooled, places, [2, 2])
    (a, b), (c, d) = x.split(1, dim=1), y.unbind(dim=1)
    deviation, mean = torch.std_mean(y, dim=1)
    parts = [a.squeeze(1) * c, b.squeeze(1) + d * deviation, mean]
    return torch.stack(parts, dim=1).view(x.shape[0], -1)


def _folded(self: Any, x: Tensor, y: Tensor) -> Any:
    heads: Tensor = self.x(x).reshape(x.shape[0] * 2, 2)
    heads *= 0.5  # in memory that a constant's only sample may lie in
    return heads.reshape(x.shape[0], 4) + self.y(y)


def _contexts(self: Any, x: Tensor, y: Tensor) -> Any:
    with torch.enable_grad():
        x = self.x(x).relu_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = self.y(y).relu_()
    return x.detach() * y.float()


def _passing(self: Any, x: Tensor, y: Tensor) -> Any:
    total = self.x(x) + y
    return x, self.y(y), total, total, self.constant.expand(x.shape[0], -1)


def _last_token(self: Any, x: Tensor, y: Tensor) -> Any:
    rows = torch.arange(x.shape[0])
    return self.x(x[rows, x.sum(dim=2).argmax(dim=1)]) + self.words(y.round().long()).mean(dim=1)


def _tuple(self: Any, inputs: tuple[Tensor, Tensor]) -> Any:
    x, y = inputs
    return self.x(x).relu() * self.y(y)


def _number(self: Any, x: Tensor, y: Tensor) -> Any:
    return self.x(x) * self.scale.sum().item() + y


def _filled(self: Any, x: Tensor, y: Tensor) -> Any:
    total = torch.zeros(x.shape[0], 4)
    total += self.x(x)
    total += self.y(y)
    return total


def _linears() -> dict[str, Any]:
    return {"x": nn.Linear(4, 4), "y": nn.Linear(4, 4)}


VECTORS: Shapes = {"x": (4,), "y": (4,)}
MAPS: Shapes = {"x": (2, 4, 6), "y": (2, 4, 6)}


def _normalised() -> Any:
    return nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))


ZOO: dict[str, Callable[[], JointNetwork]] = {
    "late fusion": lambda: late_fusion(1, 2),
    "three inputs": lambda: late_fusion(1, 2, 3),
    "dictionaries": lambda: network(
        _mapping, VECTORS, outputs=("a", "b"), call="mapping", **_linears()
    ),
    "tuple": lambda: network(_tuple, VECTORS, call="tuple", **_linears()),
    "keywords": lambda: _network(Keywords(), VECTORS, call="keyword"),
    "early fusion": lambda: network(
        _channels, MAPS, call="channels", encoder=Encoder(4), head=nn.Conv2d(8, 1, 1)
    ),
    "attention": lambda: network(
        _attention,
        {"x": (3, 4), "y": (5, 4)},
        outputs=("found", "weights"),
        x=nn.Linear(4, 8),
        y=nn.Linear(4, 8),
        cross=nn.MultiheadAttention(8, 2),
    ),
    "class token": lambda: network(
        _class_token,
        {"image": (1, 4, 6), "vector": (3,), "value": ()},
        patches=nn.Conv2d(1, 8, 2, stride=2),
        token=torch.linspace(-1, 1, 8).reshape(1, 1, 8),
        layer=nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        vector=nn.Linear(3, 8),
        head=nn.Linear(8, 2),
    ),
    "recurrent": lambda: network(
        _recurrent,
        {"x": (5, 3), "y": (4, 2)},
        lstm=nn.LSTM(3, 4),
        gru=nn.GRU(2, 4, batch_first=True, bidirectional=True),
    ),
    "shapes": lambda: network(_shapes, MAPS, conv=nn.Conv2d(2, 2, 3, padding=1)),
    "folded samples": lambda: network(_folded, VECTORS, **_linears()),
    "contexts": lambda: network(_contexts, VECTORS, **_linears()),
    "inputs passed on": lambda: network(
        _passing,
        VECTORS,
        outputs=("x", "y", "total", "again", "constant"),
        constant=torch.ones(1, 2),
        **_linears(),
    ),
    "indices": lambda: network(
        _last_token, {"x": (3, 4), "y": (4,)}, x=nn.Linear(4, 4), words=nn.Embedding(2, 4)
    ),
    "a number": lambda: network(_number, VECTORS, x=nn.Linear(4, 4), scale=torch.ones(3)),
    "filled": lambda: network(_filled, VECTORS, **_linears()),
    "made weights": lambda: network(_filled, VECTORS, x=_normalised(), y=nn.Linear(4, 4)),
}
"""Networks whose setups can share their work."""


def draw(
    net: JointNetwork,
    count: int,
    *,
    mutes: Sequence[str],
    seed: int = 0,
    shapes: Shapes | None = None,
) -> BatchInputs:
    """Draw inputs between 0 and 1, of the network's shapes or of others."""
    stream = torch.Generator().manual_seed(seed)
    known = shapes or {m.name: tuple(n or 1 for n in m.shape or ()) for m in net.inputs}
    clean, follower = (
        {name: torch.rand((*first, *shape), generator=stream) for name, shape in known.items()}
        for first in ((count,), (1,))
    )
    facts = {m.name: Modality(m.name, m.kind, mean=(0.5,), std=(0.3,)) for m in net.inputs}
    indices = np.arange(count) + 100 * seed
    return BatchInputs(clean, indices, facts, {m: parse_mute(m) for m in mutes}, follower)


def conditions(net: JointNetwork, mutes: Sequence[str], setups: str = "all") -> list[Condition]:
    """List the conditions of a measurement, the full one first."""
    sites = tuple(m.name for m in net.inputs)
    return Plan(sites, tuple(map(parse_mute, mutes)), {}, setups=setups).conditions(net)


class Sketch:
    """A graph of the inputs x and y under construction."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.x, self.y = (self.graph.placeholder(name) for name in "xy")

    def call(self, target: Any, *args: Any) -> fx.Node:
        return self.graph.call_function(target, args)

    def module(self, *results: fx.Node) -> fx.GraphModule:
        self.graph.output(results)
        return fx.GraphModule({}, self.graph)


def late_sketch() -> fx.GraphModule:
    sketch = Sketch()
    features = sketch.call(aten.tanh.default, sketch.x), sketch.call(aten.sin.default, sketch.y)
    return sketch.module(sketch.call(aten.mul.Tensor, *features))
