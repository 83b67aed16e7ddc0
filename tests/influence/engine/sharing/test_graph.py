"""The inputs that each node of a graph depends on, found by hand."""

from __future__ import annotations

from influence.engine.sharing.graph import find_dependence, meeting_points
from tests.influence.engine.sharing.zoo import Sketch, aten, late_sketch


def test_dependence_follows_values_and_not_sizes() -> None:
    sketch = Sketch()
    size = sketch.call(aten.sym_size.int, sketch.x, 0)
    zeros = sketch.call(aten.zeros.default, [size, 4])
    above = sketch.call(aten.nonzero.default, sketch.x)
    number = sketch.call(aten.sym_size.int, above, 0)
    total = sketch.call(aten.add.Tensor, zeros, sketch.y)
    module = sketch.module(total, number)
    found = find_dependence(module.graph, ["x", "y"])
    assert found.inputs[zeros] == found.inputs[size] == frozenset()
    (output,) = module.graph.find_nodes(op="output")
    assert {size, zeros, total, number, output} == found.sized
    assert found.inputs[total] == {"y"}
    assert found.inputs[number] == {"x"}  # how many are above zero depends on the values


def test_modalities_meet_where_a_node_depends_on_more_than_its_arguments() -> None:
    module = late_sketch()
    dependence = find_dependence(module.graph, ["x", "y"])
    assert [(n.name, m) for n, m in meeting_points(module.graph, dependence)] == [
        ("mul_tensor", ["x", "y"])
    ]
