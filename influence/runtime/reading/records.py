"""Records: files written by other people or programs, with checked fields and types."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from influence.errors import InfluenceError

__all__ = ["Record", "read_record"]

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A record whose fields and types are checked; unknown fields and other types are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


def read_record(model: type[R], content: object, source: str, remedy: str) -> R:
    """Check the content of a file, and return it as a record.

    Parameters
    ----------
    model
        The class of the expected record.
    content
        The content, such as a dictionary, with exactly the types that the record declares; or the
        bytes of a JSON file, whose arrays become the lists or tuples that the record declares.
    source
        The name of the file, for error messages.
    remedy
        The last sentence of error messages: what to do about invalid content.

    Raises
    ------
    InfluenceError
        If a field is missing, unknown or has another type, or if bytes are not valid JSON.

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
        reason = reason.partition(" or instance of ")[0]  # of this module's own classes
        raise InfluenceError(
            f"{source}: {where}{reason}, got {repr(first['input'])[:60]}. {remedy}"
        ) from None
