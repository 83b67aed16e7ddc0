"""The facts in a checkpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from torch import nn

from influence.errors import InfluenceError
from influence.network.facts import read_facts
from influence.network.joint_network import JointNetwork, Modality, Output


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
    found = read_facts(json.dumps(net.facts()), net.module)
    assert found.inputs == net.inputs
    assert found.outputs == net.outputs
    assert found.facts() == net.facts()


def test_only_the_names_are_required() -> None:
    net = read_facts(
        '{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}], "later": 1}', nn.Identity()
    )
    assert net.inputs == (Modality("x"),)
    assert net.outputs == (Output("y"),)
    assert (net.name, net.seed, net.call) == ("network", None, "positional")


def facts(**changes: Any) -> str:
    return json.dumps({"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]} | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 10**5, "not JSON"),
        ("[]", "has to be an object, got"),
        ("{}", "inputs has to be a list"),
        (facts(inputs={"name": "x"}), "inputs has to be a list"),
        (facts(inputs=["x"]), r"inputs\[0\]\. has to be an object"),
        (facts(inputs=[{}]), r"inputs\[0\]\.name has to be a printable text, got None"),
        (facts(inputs=[{"name": "\x1b[2J"}]), "printable"),
        (facts(inputs=[{"name": "x"}, {"name": "x"}]), "names that differ"),
        (facts(inputs=[{"name": "x", "kind": "smell"}]), "unknown input kind 'smell'"),
        (facts(inputs=[{"name": "x", "shape": [1, "H"]}]), r"shape has to be .* got \[1, 'H'\]"),
        (facts(inputs=[{"name": "x", "shape": [0]}]), "shape has to be"),
        (facts(inputs=[{"name": "x", "mean": "0.5"}]), "mean has to be"),
        (facts(inputs=[{"name": "x", "std": [float("nan")]}]), "std has to be"),
        (facts(inputs=[{"name": "x", "optimal": 0.5}]), "optimal has to be a list of finite"),
        (facts(inputs=[{"name": "x", "optimal": [float("inf")]}]), "optimal has to be"),
        (facts(inputs=[{"name": "x", "optimal": ["0"]}]), "optimal has to be"),
        (facts(outputs=[{"name": "y", "classes": "floor"}]), r"outputs\[0\]\.classes has to be"),
        (facts(outputs=[]), "names that differ"),
        (facts(seed="1"), "seed has to be an integer or null, got '1'"),
        (facts(seed=True), "seed has to be"),
        (facts(name=None), "name has to be"),
        (facts(call="telepathy"), "call has to be one of"),
    ],
)
def test_other_facts_are_refused(text: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        read_facts(text, nn.Identity())
