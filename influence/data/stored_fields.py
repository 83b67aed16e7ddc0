"""Stored fields: the attributes by which a dataset of an evaluation file says what it holds."""

from __future__ import annotations

from typing import Annotated, Any

import h5py
import numpy as np
from pydantic import AfterValidator, BeforeValidator, FiniteFloat
from pydantic_core import PydanticCustomError

from influence.data.dataset import Field
from influence.runtime.reading.hdf5 import plain_attribute
from influence.runtime.reading.records import Record, read_record

__all__ = ["read_field"]


def _check_rising(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise PydanticCustomError("rising", "Input should be (low, high) with low < high")
    return limits


def _one(value: Any) -> Any:
    found = np.ravel(np.asarray(value, dtype=object)).tolist()
    if len(found) != 1:
        raise PydanticCustomError("one", "Expected one number")
    return found[0]


# Some writers store a number as an array of one, or one number where there may be several.
_SCALAR = BeforeValidator(_one)
_SEVERAL = BeforeValidator(lambda value: np.ravel(value).tolist())
_Numbers = Annotated[tuple[FiniteFloat, ...], _SEVERAL]
_Range = Annotated[tuple[FiniteFloat, FiniteFloat], _SEVERAL, AfterValidator(_check_rising)]


class _Attributes(Record, strict=False, coerce_numbers_to_str=True):
    """The attributes of a dataset that are read; see `Field`."""

    unit: Annotated[str, _SCALAR] = ""
    scale: Annotated[float, _SCALAR] | None = None
    offset: Annotated[float, _SCALAR] = 0.0
    ignore: Annotated[float, _SCALAR] | None = None
    range: _Range | None = None
    classes: Annotated[tuple[str, ...], BeforeValidator(lambda x: np.asarray(x).tolist())] = ()
    mean: _Numbers | None = None
    std: _Numbers | None = None


def read_field(dataset: h5py.Dataset, where: str) -> Field:
    """Return the field of a dataset, from its shape, its type and its attributes.

    Parameters
    ----------
    dataset
        The dataset, its samples first.
    where
        The file and the name of the dataset, for messages.

    Raises
    ------
    InfluenceError
        If an attribute is of another type, or has no valid value.

    Examples
    --------
    >>> import io
    >>> file = h5py.File(io.BytesIO(), "w")
    >>> file["seg"] = np.zeros((2, 5), dtype=np.uint8)
    >>> file["seg"].attrs["ignore"] = [254, 255]
    >>> read_field(file["seg"], "a.h5: targets/seg")
    Traceback (most recent call last):
    influence.errors.InfluenceError: a.h5: targets/seg: ignore: expected one number, got \
[254, 255]. Set the attribute anew, or write the file with influence.write_evaluation_file
    """
    names = _Attributes.model_fields.keys() & dataset.attrs.keys()
    attributes = read_record(
        _Attributes,
        {name: plain_attribute(dataset, name, where) for name in names},
        where,
        "Set the attribute anew, or write the file with influence.write_evaluation_file",
    )
    integer = np.issubdtype(dataset.dtype, np.integer)
    return Field(tuple(dataset.shape[1:]), integer, **dict(attributes))
