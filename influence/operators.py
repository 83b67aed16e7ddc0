"""The operators that a checkpoint's graph may call."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch

from influence.errors import InfluenceError

__all__ = ["resolve"]

_PLAIN: dict[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in (
            ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "pos", "eq", "ne", "le", "ge", "lt", "gt", "and_", "or_"]
        )
    },
    **{
        f"torch.{name}": getattr(torch, name)
        for name in ["sym_not", "sym_int", "sym_float", "sym_ite", "sym_max", "sym_min", "sym_sqrt"]
    },
    "math.trunc": math.trunc,
    "torch._sym_sqrt": torch.sym_sqrt,
}


def resolve(target: str) -> Callable[..., Any]:
    """Return the operator that a graph names."""
    if target in _PLAIN:
        return _PLAIN[target]
    if target.startswith("torch.ops.higher_order."):
        name = target.removeprefix("torch.ops.higher_order.")
        if name in ("wrap_with_set_grad_enabled", "wrap_with_autocast"):
            return getattr(torch.ops.higher_order, name)  # type: ignore[no-any-return]
    if target.startswith("torch.ops.aten."):
        name, _, overload = target.removeprefix("torch.ops.aten.").partition(".")
        packet = getattr(torch.ops.aten, name, None)
        if packet is not None and overload in packet.overloads():
            return getattr(packet, overload)  # type: ignore[no-any-return]
    raise InfluenceError(f"its graph calls {target!r}, which is not an operator of a network")
