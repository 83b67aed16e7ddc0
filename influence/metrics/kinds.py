"""Kinds: what an output declares to hold, compared with the first values that a network returns."""

from __future__ import annotations

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Reads, Scores
from influence.network.joint_network import Output

__all__ = ["faults", "find_scores"]

TOLERANCE = 0.01
"""How far probabilities may lie beyond 0 and 1, and their sum from 1: bfloat16 has 3 digits."""

SCORES: tuple[Scores, ...] = ("probabilities", "logits")


def find_scores(values: Tensor, output: Output, reads: Reads, *, alone: bool) -> tuple[Scores, str]:
    """Find out whether class scores are probabilities or logits, with a note if that was assumed.

    Parameters
    ----------
    values
        What the network returned for some samples with nothing muted, samples first.
    output
        The declaration of the output, whose kind is one of `SCORES` or says neither.
    reads
        ``"labels"`` if the scores of all classes sum to one, ``"multilabel"`` if each is a
        probability by itself.
    alone
        Whether one channel stands for two classes, so that axis 1 is none of classes.

    Raises
    ------
    InfluenceError
        If the values cannot be what the output declares.

    Examples
    --------
    >>> soft = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    >>> find_scores(soft, Output("y", "probabilities"), "labels", alone=False)
    ('probabilities', '')
    >>> find_scores(4 * soft, Output("y"), "labels", alone=False)
    ('logits', '')
    """
    by_itself = alone or reads == "multilabel"
    inside = ((values >= -TOLERANCE) & (values <= 1 + TOLERANCE)) | values.isnan()
    # Padding around maps may hold zeros in all classes, so a few sums may differ.
    gap = torch.zeros(1) if by_itself else (values.double().sum(1) - 1).abs()
    whole = bool(inside.all())
    if output.kind == "probabilities":
        if not whole:
            raise InfluenceError(
                f"output {output.name!r} is declared as probabilities, and the network returned "
                f"{_extent(values)}. Declare Output({output.name!r}, 'logits') for values before "
                "a softmax or sigmoid"
            )
        if gap.nanmedian() > TOLERANCE:
            raise InfluenceError(
                f"output {output.name!r} is declared as probabilities, and the values of a sample "
                f"sum over the classes, axis 1, to {values.double().sum(1).nanmedian():.3g} and "
                "not to 1. Declare 'logits' for values before a softmax, or 'multilabel' for "
                "labels that exclude none other"
            )
        return "probabilities", ""
    soft = whole and bool((gap <= TOLERANCE).all())
    if output.kind == "logits":
        if soft and not by_itself:
            raise InfluenceError(
                f"output {output.name!r} is declared as logits, and the network returned values "
                "from 0 to 1 that sum to 1 over the classes, as after a softmax. Declare "
                f"Output({output.name!r}, 'probabilities')"
            )
        return "logits", ""
    if not soft:
        return "logits", ""
    summing = "" if by_itself else " and sum to 1 over the classes"
    remedy = "" if reads == "multilabel" else f": Output({output.name!r}, 'probabilities')"
    return "probabilities", (
        f"output {output.name!r} does not declare whether it holds probabilities or logits; its "
        f"first values lie between 0 and 1{summing}, so they are scored as probabilities{remedy}"
    )


def faults(values: Tensor, *, logits: bool) -> Tensor:
    """Say of each sample whether its values can be scored, (samples, 1), float64.

    It is 1 if they can, 0 for NaN or infinity, and -1 if the only fault is minus infinity. A logit
    of minus infinity rules a class out; it is a fault only if no class is left.

    Examples
    --------
    >>> minus = torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf], [0.0, torch.nan]])
    >>> faults(minus, logits=True).squeeze(1).tolist()
    [1.0, -1.0, 0.0]
    """
    finite = values.isfinite()
    minus = values == -torch.inf
    lawful = minus
    if logits and values.ndim > 1:
        lawful = finite | (minus & finite.any(dim=1, keepdim=True))
    else:
        lawful = finite
    count = len(values)
    right = lawful.reshape(count, -1).all(dim=1, keepdim=True).double()
    only_minus = (finite | minus).reshape(count, -1).all(dim=1, keepdim=True).double()
    return right - (1 - right) * only_minus


def _extent(values: Tensor) -> str:
    known = values[~values.isnan()]
    return f"values from {known.min().item():.4g} to {known.max().item():.4g}"
