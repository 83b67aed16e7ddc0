"""Shared memory and changes in place, seen by running small graphs."""

from __future__ import annotations

import pytest
import torch

from influence.engine.sharing.aliasing import aliases_of, observe, out_of_place
from influence.errors import InfluenceError
from tests.influence.engine.sharing.zoo import Sketch, aten


def test_observation_finds_shared_memory_that_schemas_do_not_declare() -> None:
    sketch = Sketch()
    dropped = sketch.call(aten.dropout.default, sketch.x, 0.5, False)
    parts = sketch.call(aten.chunk.default, dropped, 2, 1)
    copy = sketch.call(aten.clone.default, dropped)
    module = sketch.module(parts, copy)
    observation = observe(module, [torch.rand(2, 4), torch.rand(2, 4)])
    assert list(aliases_of(parts, observation.aliases)) == [parts, dropped, sketch.x]
    assert list(aliases_of(copy, observation.aliases)) == [copy]
    assert observation.shapes[0][copy] == (2, 4)
    assert parts not in observation.shapes[0]  # a list


def test_refused_change_is_not_made() -> None:
    sketch = Sketch()
    dropped = sketch.call(aten.dropout.default, sketch.x, 0.5, False)
    module = sketch.module(sketch.call(aten.add_.Tensor, dropped, 1.0))
    x = torch.zeros(2, 4)
    with pytest.raises(InfluenceError, match=r"aten\.add_\.Tensor"):
        observe(module, [x, x])
    assert not x.any()


def test_operator_without_a_variant_out_of_place_is_named() -> None:
    sketch = Sketch()
    node = sketch.call(aten.__ior__.Tensor, sketch.x, sketch.y)
    with pytest.raises(InfluenceError, match=r"__ior__.* no variant that leaves its input alone"):
        out_of_place(node)
