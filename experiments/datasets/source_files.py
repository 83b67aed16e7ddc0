"""The files of a data set as they are published: pictures and text, checked as they are read."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from influence.errors import InfluenceError, unknown

__all__ = [
    "check_split",
    "read_colours",
    "read_label_table",
    "read_labels",
    "read_numbers",
    "read_picture",
    "read_text",
]


def read_label_table(name: str) -> list[dict[str, str]]:
    """Read one of the tables in `labels/`, a dictionary a row."""
    text = files("experiments.datasets").joinpath("labels", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def check_split(split: str, data: str) -> None:
    """Raise InfluenceError if a split is not one of those whose labels are public."""
    if split == "test":
        raise InfluenceError(
            f"the labels of the split 'test' of {data} are not public: expected 'train' or 'val'. "
            "Evaluate on 'val'"
        )
    if split not in ("train", "val"):
        raise unknown("split", split, ("train", "val"))


def read_picture(path: Path) -> NDArray[np.generic]:
    """Read a picture file as an array (H, W) or (H, W, channels)."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except FileNotFoundError as error:
        raise InfluenceError(f"{path} is missing: is the folder complete?") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InfluenceError(
            f"{path} cannot be read as a picture: {error}. Copy it again"
        ) from error


def read_colours(path: Path) -> NDArray[np.uint8]:
    """Read a picture of three channels, uint8 (H, W, 3)."""
    colours = read_picture(path)
    if colours.ndim != 3 or colours.shape[2] != 3 or colours.dtype != np.uint8:
        raise _form(path, "three channels of 8 bits", colours)
    return colours.astype(np.uint8, copy=False)


def read_numbers(path: Path, *, bits: Sequence[int] = (8, 16)) -> NDArray[Any]:
    """Read a picture whose pixels are numbers, uint8 or uint16 (H, W).

    Parameters
    ----------
    bits
        The depths of a pixel that are as they should be. What has another depth was stored by
        another program than the authors', and its numbers may mean something else.
    """
    numbers = read_picture(path)
    if numbers.dtype == np.int32 and numbers.min() >= 0 and numbers.max() < 2**16:
        numbers = numbers.astype(np.uint16)  # the form that some versions give 16 bits
    if numbers.ndim != 2 or numbers.dtype not in [np.dtype(f"uint{depth}") for depth in bits]:
        raise _form(path, f"one channel of {' or '.join(map(str, bits))} bits", numbers)
    return numbers


def read_labels(
    path: Path, classes: Mapping[int, int], *, bits: Sequence[int] = (8, 16)
) -> NDArray[np.uint8]:
    """Read a label picture and turn its numbers into classes, uint8 (H, W).

    Parameters
    ----------
    classes
        The class of every number that the data set uses; that of void is `IGNORE`.
    bits
        As for `read_numbers`.
    """
    numbers = read_numbers(path, bits=bits)
    table = np.full(2**16, -1, dtype=np.int16)
    table[list(classes)] = list(classes.values())
    found: NDArray[np.int16] = table[numbers]
    if (found < 0).any():
        raise InfluenceError(
            f"{path} holds label {numbers[found < 0][0]}, which is not in the table: expected one "
            f"of {len(classes)} numbers up to {max(classes)}. Is it a label picture of this data "
            "set?"
        )
    return found.astype(np.uint8)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InfluenceError(f"{path} is missing: is the folder complete?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InfluenceError(f"{path} cannot be read as text: {error}. Copy it again") from error


def _form(path: Path, expected: str, picture: NDArray[np.generic]) -> InfluenceError:
    return InfluenceError(
        f"{path}: expected {expected}, got {picture.dtype} of shape {picture.shape}. Use the file "
        "as its authors publish it"
    )
