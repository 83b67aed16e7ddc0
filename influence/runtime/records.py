"""Records read from files that anybody may have written, checked field by field."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from influence.errors import InfluenceError

__all__ = ["Record", "read_record"]

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A record of known fields: unknown fields, and values of another type, are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


def read_record(model: type[R], content: object, source: str, remedy: str) -> R:
    """Check what a file holds, and return it as a record.

    Parameters
    ----------
    model
        The record that is expected.
    content
        What was read, such as the dictionary of a JSON file.
    source
        The file, as errors shall name it.
    remedy
        What the user can do if the content is something else.

    Raises
    ------
    InfluenceError
        If a field is missing, unknown, or not of its type.

    Examples
    --------
    >>> class Size(Record):
    ...     height: int
    >>> read_record(Size, {"height": 3}, "size.json", "Write it again").height
    3
    >>> read_record(Size, {"height": "3"}, "size.json", "Write it again")
    Traceback (most recent call last):
    influence.errors.InfluenceError: size.json: height: input should be a valid integer, got '3'. \
Write it again
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise InfluenceError(
            f"{source}: {where}{reason}, got {str(first['input'])[:60]!r}. {remedy}"
        ) from None
