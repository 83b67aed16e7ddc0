"""Records of files that anybody may have written, whose fields and types are checked."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from influence.errors import InfluenceError

__all__ = ["Record", "read_record"]

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """The fields of a file and their types; an unknown field or another type is an error."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


def read_record(model: type[R], content: object, source: str, remedy: str) -> R:
    """Check an object of a file, and return it as a record.

    Parameters
    ----------
    model
        The record that is expected.
    content
        The object, such as a dictionary, with exactly the types that the record declares; or the
        bytes of a JSON file, whose arrays become the lists or tuples that the record declares.
    source
        The name of the file, for errors.
    remedy
        What to do about wrong content: the last sentence of errors.

    Raises
    ------
    InfluenceError
        If a field is missing, unknown, or not of its type, or bytes are not JSON.

    Examples
    --------
    >>> class Size(Record):
    ...     height: int
    >>> read_record(Size, b'{"height": 3}', "size.json", "Write it again").height
    3
    >>> read_record(Size, {"height": "3"}, "size.json", "Write it again")
    Traceback (most recent call last):
    influence.errors.InfluenceError: size.json: height: input should be a valid integer, got '3'. \
Write it again
    """
    try:
        if isinstance(content, bytes):
            return model.model_validate_json(content)
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise InfluenceError(
            f"{source}: {where}{reason}, got {repr(first['input'])[:60]}. {remedy}"
        ) from None
