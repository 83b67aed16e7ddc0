"""The list of operators."""

from __future__ import annotations

import operator

import pytest
import torch

from influence.errors import InfluenceError
from influence.network.programs.operators import _TENSOR_OPERATORS, find_operator

# Anything that could reach a file, a process or memory that is not a tensor's own.
FORBIDDEN = (
    "save from_file set set_ data resize resize_ as_strided as_strided_ _unsafe_index record_stream"
    " _print warn"
)


def test_every_name_is_an_operator_of_torch() -> None:
    assert [name for name in sorted(_TENSOR_OPERATORS) if not hasattr(torch.ops.aten, name)] == []


def test_no_operator_takes_a_file_or_a_storage() -> None:
    for name in sorted(_TENSOR_OPERATORS):
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            arguments = getattr(packet, overload)._schema.arguments
            assert "filename" not in [argument.name for argument in arguments]
            assert not [a.name for a in arguments if str(a.type) in ("Storage", "Stream", "Any")]


@pytest.mark.parametrize("name", FORBIDDEN.split())
def test_operators_beyond_tensors_are_not_on_the_list(name: str) -> None:
    for overload in getattr(torch.ops.aten, name).overloads():
        with pytest.raises(InfluenceError, match="not on the list"):
            find_operator(f"torch.ops.aten.{name}.{overload}")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("torch.ops.aten.conv2d.default", torch.ops.aten.conv2d.default),
        ("torch.ops.aten.add_.Tensor", torch.ops.aten.add_.Tensor),
        ("torch.ops.aten.sym_size.int", torch.ops.aten.sym_size.int),
        ("torch.sym_max", torch.sym_max),
        ("_operator.floordiv", operator.floordiv),
    ],
)
def test_operators_are_found(target: str, expected: object) -> None:
    assert find_operator(target) is expected


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.conv2d",
        "torch.ops.aten.conv2d.nothing",
        "torch.ops.aten.conv2d.default.__class__",
        "torch.ops.aten.nothing.default",
        "xtorch.ops.aten.conv2d.default",
        "torch.ops.atenx.conv2d.default",
        "torch.ops.aten.__class__.default",
        "",
    ],
)
def test_other_names_are_not(target: str) -> None:
    with pytest.raises(InfluenceError, match="not on the list"):
        find_operator(target)
