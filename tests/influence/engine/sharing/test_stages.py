"""Which values of small graphs are computed in which stage, found by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

from influence.engine.sharing.aliasing import observe
from influence.engine.sharing.graph import find_dependence
from influence.engine.sharing.stages import Stage, Stages, build_stages
from influence.engine.sharing.tapped_graph import TappedGraph
from influence.mutes.registry import MUTES
from influence.plan.setups import FULL, NO_MUTE, Condition
from tests.influence.engine.sharing.zoo import Sketch, aten, late_sketch


def conditions(mute: str) -> list[Condition]:
    setups = [frozenset(names) for names in ("x", "y", "xy")]
    return [Condition(NO_MUTE, FULL), *(Condition(mute, setup) for setup in setups)]


def build(module: fx.GraphModule, found: Sequence[Condition]) -> Stages:
    one, two = ([torch.rand(n, 4) for _ in range(2)] for n in (1, 2))
    dependence = find_dependence(module.graph, ["x", "y"])
    tapped = TappedGraph(module, dependence, observe(module, one, two), {"x": "x", "y": "y"})
    return build_stages(tapped, found, MUTES)


def calls(stage: Stage) -> list[str]:
    nodes = stage.module.graph.find_nodes
    assert not nodes(op="call_method")
    targets = (n.target for n in stage.module.graph.nodes if n.op == "call_function")
    return [target._schema.name.removeprefix("aten::") for target in targets]


def test_constants_are_computed_in_the_fixed_stage_and_expanded() -> None:
    stages = build(late_sketch(), conditions("zero"))
    assert sorted(calls(stages.fixed)) == ["mul", "sin", "tanh"]
    assert [calls(stage) for stage in stages.conditions] == [
        ["tanh", "sin", "mul"],
        ["expand", "mul"],  # tanh(0) from the fixed stage, sin(y) from the first
        ["expand", "mul"],
        ["expand"],
    ]
    assert calls(stages.following) == []


def test_noise_is_computed_when_it_is_first_met() -> None:
    stages = build(late_sketch(), conditions("noise"))
    assert [calls(stage) for stage in stages.conditions] == [
        ["tanh", "sin", "mul"],
        ["tanh", "mul"],
        ["sin", "mul"],
        ["mul"],
    ]
    assert calls(stages.fixed) == calls(stages.following) == []
    first, no_x, no_y, none = stages.conditions
    assert [v.node.name for v in first.gives] == ["tanh_default", "sin_default"]
    # What no later stage takes: clean sin after noisy x, clean tanh after noisy y.
    assert {v.node.name for v in no_x.spare} == {"x", "sin_default"}
    assert {v.node.name for v in no_y.spare} == {"y", "tanh_default"}
    assert {v.node.name for v in none.spare} == {"tanh_default", "sin_default"}


def test_shuffled_values_are_clean_ones_of_the_next_sample() -> None:
    stages = build(late_sketch(), conditions("shuffle"))
    assert [calls(stage) for stage in stages.conditions] == [
        ["tanh", "sin", "mul"], ["mul"], ["mul"], []
    ]  # fmt: skip
    assert sorted(calls(stages.following)) == ["mul", "sin", "tanh"]
    assert set(stages.axes.values()) == {0}


def test_value_without_an_axis_of_samples_is_not_moved() -> None:
    sketch = Sketch()
    mean = sketch.call(aten.mean.dim, sketch.x, [0])
    stages = build(sketch.module(sketch.call(aten.add.Tensor, mean, sketch.y)),
                   conditions("shuffle"))  # fmt: skip
    # The sum has an axis of samples, and is taken for that of the next sample: such a network
    # mixes samples, which the trial finds out.
    assert calls(stages.conditions[1]) == ["mean", "add"]


def test_in_place_stays_only_where_no_other_node_reads_it() -> None:
    sketch = Sketch()
    sine = sketch.call(aten.sin.default, sketch.x)
    halved = sketch.call(aten.mul_.Tensor, sine, 0.5)
    total = sketch.call(aten.add_.Tensor, halved, sketch.y)
    stages = build(sketch.module(total), conditions("noise"))
    # Halved x is passed on to the second stage, so y must not be added to it in place.
    assert calls(stages.conditions[0]) == ["sin", "mul_", "add"]
    assert calls(stages.conditions[1]) == ["sin", "mul_", "add"]
    assert calls(stages.conditions[3]) == ["add"]


def test_in_place_on_a_constant_makes_a_copy() -> None:
    sketch = Sketch()
    sine = sketch.call(aten.sin.default, sketch.x)
    folded = sketch.call(aten.view.default, sine, [-1, 2])  # two rows a sample: not expanded
    halved = sketch.call(aten.mul_.Tensor, folded, 0.5)
    back = sketch.call(aten.view.default, halved, [-1, 4])
    stages = build(sketch.module(sketch.call(aten.add.Tensor, back, sketch.y)), conditions("zero"))
    assert calls(stages.conditions[0]) == ["sin", "reshape", "mul_", "reshape", "add"]
    assert calls(stages.conditions[1])[:2] == ["expand", "add"]


def test_long_graphs_need_no_recursion() -> None:
    sketch = Sketch()
    x = sketch.x
    for _ in range(2000):
        x = sketch.call(aten.sin.default, x)
        x = sketch.call(aten.add_.Tensor, x, 1.0)
    stages = build(sketch.module(sketch.call(aten.mul.Tensor, x, sketch.y)), conditions("zero"))
    assert [len(calls(stage)) for stage in stages.conditions] == [4001, 2, 2, 1]
