"""Modalities and outputs: what is known of the inputs and the predictions of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, FiniteFloat
from pydantic_core import PydanticCustomError

__all__ = ["KINDS", "RESIZES", "ROLES", "Modality", "Output", "Text", "claim_tensors"]

KINDS = (
    *("depth", "probabilities", "logits", "image", "vector", "other"),
    *("integers", "tokens", "categories", "points", "mask", "multilabel", "boxes", "text"),
)
"""What an input or output holds: mutes and default metrics depend on it."""
ROLES = ("source", "context")
RESIZES = ("", "nearest", "bilinear")


def _check_printable(text: str) -> str:
    # A control character could forge lines in a table or on a terminal.
    if not text.replace("\n", "").isprintable():
        raise PydanticCustomError("printable", "Input should be a printable text")
    return text


# The constraints hold for what is read from a file; in the code they are plain types.
Text = Annotated[str, AfterValidator(_check_printable)]
_Numbers = tuple[FiniteFloat, ...]
_Shape = tuple[Annotated[int, Field(gt=0)] | None, ...]


@dataclass(frozen=True)
class Modality:
    """An input of a network.

    Parameters
    ----------
    name
        The modality's name, the same as in the evaluation file.
    kind
        One of `KINDS`. Mutes and default metrics depend on it.
    shape
        Shape of one sample, without the batch axis; `None` for an axis of any length.
    unit
        Physical unit, such as ``m``.
    mean, std
        Mean and standard deviation of each channel over the training set, for the mean and noise
        mutes.
    optimal
        The constant, one number a channel, that hurts the network least on the training set; see
        `influence.mutes.optimal.learn_optimal`.
    mode
        The most frequent value of each column over the training set, for the mute ``mode``.
    missing
        The mute, such as ``zero``, with which the network was trained on samples that lack this
        input; empty if it never lacked. The network knows this mute, so its features under it
        count as features of data.
    role
        ``source``: muted and reported; ``context``: passed to the network as it is, such as camera
        intrinsics, lengths or a prompt. A context may be one value for a whole batch, and need not
        be a tensor.
    tensors
        The names of its tensors in the data, which are muted together; by default `name` alone.
    path
        Where its tensor lies in nested inputs: ``img.rgb`` for ``inputs["img"]["rgb"]``.
    slice
        ``(axis, start, stop)``: the part of a tensor that it is, such as ``(1, 6, None)`` for
        places 6 to the end of axis 1. `tensors` or `path` names the tensor.
    moves_with
        Names of further tensors that belong to it, such as its lengths. They are exchanged with it
        under a shuffle, and emptied with it.
    pad, keep, mask
        For tokens: the id of padding; ids that `empty` and `mask` leave where they are, such as
        that of an image token; and the id of the mask token.
    """

    name: Text
    kind: Text = "other"
    shape: _Shape | None = None
    unit: Text = ""
    mean: _Numbers | None = None
    std: _Numbers | None = None
    optimal: _Numbers | None = None
    mode: _Numbers | None = None
    missing: Text = ""
    role: Text = "source"
    tensors: tuple[Text, ...] = ()
    path: Text = ""
    slice: tuple[int, int, int | None] | None = None
    moves_with: tuple[Text, ...] = ()
    pad: int = 0
    keep: tuple[int, ...] = ()
    mask: int | None = None

    def fits(self, shape: Sequence[object]) -> bool:
        """Return whether samples of a shape fit the declared one; a length that is no int may."""
        return self.shape is None or (
            len(self.shape) == len(shape)
            and all(
                declared in (None, length) or not isinstance(length, int)
                for declared, length in zip(self.shape, shape, strict=True)
            )
        )


@dataclass(frozen=True)
class Output:
    """A prediction of a network.

    Parameters
    ----------
    name
        The output's name, the same as that of its target in the evaluation file.
    kind
        One of `KINDS`. Default metrics depend on it.
    classes
        The names of the classes, in the order of their labels.
    pick
        Where the prediction is in what the network returns: a key, an attribute or an index, joined
        by dots, such as ``logits`` or ``heads.0``. By default the output's name, or its place.
    resize
        ``nearest`` or ``bilinear``: resize the prediction to the height and width of the truth.
    ignore
        The label or value in the ground truth that means 'no ground truth'.
    range
        Least and greatest valid value, such as ``(0, 255)``; predictions are clamped to it before
        they are scored, and ``psnr`` takes its peak from it.
    """

    name: Text
    kind: Text = "other"
    classes: tuple[str, ...] = ()
    pick: str | int | None = None
    resize: Text = ""
    ignore: float | None = None
    range: tuple[float, float] | None = None


def claim_tensors(modality: Modality) -> tuple[str, ...]:
    """List the names of a modality's tensors in the data, those that move with it last.

    >>> claim_tensors(Modality("text", tensors=("ids", "mask")))
    ('ids', 'mask')
    >>> claim_tensors(Modality("audio", moves_with=("length",)))
    ('audio', 'length')
    """
    return (*(modality.tensors or (modality.path or modality.name,)), *modality.moves_with)
