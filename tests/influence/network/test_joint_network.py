"""The facts of a network survive a checkpoint; other facts are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from torch import nn

from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork, Modality, Output, read_facts


def test_facts_survive() -> None:
    net = JointNetwork(
        nn.Identity(),
        [
            Modality("depth", "depth", (1, None, None), "m", (2.5,), (1.0,), (0.0,)),
            Modality("text"),
        ],
        [Output("semantic", "probabilities", ("floor", "wall"))],
        name="jrn",
        seed=3,
        trained_on="rooms",
        notes="two\nlines",
        call="mapping",
    )
    found = read_facts(json.dumps(net.facts()).encode(), net.module)
    assert found.inputs == net.inputs
    assert found.outputs == net.outputs
    assert found.facts() == net.facts()


def test_only_the_names_are_required() -> None:
    net = read_facts(
        b'{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}], "later": 1}', nn.Identity()
    )
    assert net.inputs == (Modality("x"),)
    assert net.outputs == (Output("y"),)
    assert (net.name, net.seed, net.call) == ("network", None, "positional")


def facts(**changes: Any) -> bytes:
    return json.dumps({"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]} | changes).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "invalid JSON"),
        (b"[" * 10**5, "invalid JSON"),
        (b"\xff", "invalid JSON"),
        (b"[]", r"json: input should be an object, got \[\]"),
        (b"{}", "inputs: field required"),
        (facts(inputs={"name": "x"}), "inputs: input should be a valid array"),
        (facts(inputs=["x"]), "inputs: 0: input should be an object, got 'x'"),
        (facts(inputs=[{}]), "inputs: 0: name: field required"),
        (facts(inputs=[{"name": None}]), "inputs: 0: name: input should be a valid string"),
        (facts(inputs=[{"name": "\x1b[2J"}]), r"printable text, got '\\x1b\[2J'"),
        (facts(inputs=[{"name": "x"}, {"name": "x"}]), "names that differ"),
        (facts(inputs=[{"name": "x", "kind": "smell"}]), "unknown input kind 'smell'"),
        (facts(inputs=[{"name": "x", "shape": [1, "H"]}]), "shape: 1: .* valid integer, got 'H'"),
        (facts(inputs=[{"name": "x", "shape": [0]}]), "shape: 0: .* greater than 0, got 0"),
        (facts(inputs=[{"name": "x", "shape": [True]}]), "shape: 0: .* valid integer, got True"),
        (facts(inputs=[{"name": "x", "mean": "0.5"}]), "mean: input should be a valid array"),
        (facts(inputs=[{"name": "x", "std": [float("nan")]}]), "std: 0: .* finite number, got nan"),
        (facts(inputs=[{"name": "x", "optimal": 0.5}]), "optimal: .* valid array, got 0.5"),
        (facts(inputs=[{"name": "x", "optimal": [float("inf")]}]), "optimal: 0: .* finite number"),
        (facts(inputs=[{"name": "x", "optimal": [10**400]}]), "optimal: 0: .* finite number"),
        (facts(inputs=[{"name": "x", "optimal": ["0"]}]), "optimal: 0: .* valid number, got '0'"),
        (facts(outputs=[{"name": "y", "classes": "floor"}]), "outputs: 0: classes: .* valid array"),
        (facts(outputs=[]), "names that differ"),
        (facts(seed="1"), "seed: input should be a valid integer, got '1'"),
        (facts(seed=True), "seed: input should be a valid integer, got True"),
        (facts(name=None), "name: input should be a valid string, got None"),
        (facts(notes="\x1b[2J"), "notes: input should be a printable text"),
        (facts(call="telepathy"), "call: input should be 'positional', .* got 'telepathy'"),
    ],
)
def test_other_facts_are_refused(text: bytes, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        read_facts(text, nn.Identity())


@pytest.mark.parametrize("name", [".", "..", "a\0", "a/b", ""])
def test_names_that_are_none_in_a_file_are_refused(name: str) -> None:
    with pytest.raises(InfluenceError, match="names"):
        JointNetwork(nn.Identity(), inputs=("x", "y"), outputs=(name,))
    with pytest.raises(InfluenceError, match="names"):
        JointNetwork(nn.Identity(), inputs=("x", name), outputs=("z",))
