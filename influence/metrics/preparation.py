"""Preparation: predictions and ground truth are brought into the form in which they are scored."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.network.joint_network import Output

__all__ = ["as_values", "mark_missing", "resize"]


def mark_missing(target: Tensor, output: Output) -> Tensor:
    """Mark what the output declares as no ground truth: -1 in integers, NaN in other numbers.

    >>> mark_missing(torch.tensor([3, 255]), Output("y", ignore=255)).tolist()
    [3, -1]
    """
    if output.ignore is None:
        return target
    nothing = torch.nan if target.is_floating_point() else -1
    return torch.where(target == output.ignore, nothing, target)


def as_values(target: Tensor, output: Output, field: Field) -> Tensor:
    """Return ground truth as numbers, NaN where there is none.

    Integers may be values of either sign. Only what is declared by `ignore` is no ground truth: of
    the output, or of the dataset of a file, which reads it as -1.

    Examples
    --------
    >>> as_values(torch.tensor([-3, 9]), Output("y", ignore=9), Field((), True)).tolist()
    [-3.0, nan]
    """
    if target.is_floating_point():
        return mark_missing(target, output)
    values = target.double()
    missing = torch.zeros_like(target, dtype=torch.bool)
    if output.ignore is not None:
        missing |= target == output.ignore
    if field.ignore is not None:
        missing |= target == -1
    return torch.where(missing, torch.nan, values)


def resize(values: Tensor, target: Tensor, output: Output) -> Tensor:
    """Resize maps (samples, ..., height, width) to the height and width of the ground truth.

    Corners are not aligned. A logit of minus infinity stays so wherever it has a part.

    Raises
    ------
    InfluenceError
        If the output has no maps.

    Examples
    --------
    >>> doubled = Output("y", resize="nearest")
    >>> resize(torch.tensor([[[1.0, 2.0]]]), torch.zeros(1, 2, 4), doubled).tolist()
    [[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]
    """
    if not output.resize or not target.shape[1:].numel():
        return values
    size = target.shape[-2:]
    if values.ndim not in (3, 4) or target.ndim not in (3, 4):
        raise InfluenceError(
            f"output {output.name!r} is to be resized ({output.resize}), which needs maps with "
            f"height and width: the network gives shape {tuple(values.shape[1:])} a sample, and "
            f"the ground truth has {tuple(target.shape[1:])}. Declare no resize"
        )
    if values.shape[-2:] == size:
        return values
    maps = values.unsqueeze(1) if values.ndim == 3 else values
    minus = maps == -torch.inf
    found = _resized(maps.masked_fill(minus, 0.0), size, output.resize)
    if bool(minus.any()):
        part = _resized(minus.to(found.dtype), size, output.resize)
        found = found.masked_fill(part > 0, -torch.inf)
    return found.squeeze(1) if values.ndim == 3 else found


def _resized(maps: Tensor, size: torch.Size, mode: str) -> Tensor:
    corners = {"align_corners": False} if mode == "bilinear" else {}
    return interpolate(maps, tuple(size), mode=mode, **corners)
