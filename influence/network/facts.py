"""What a checkpoint says about its network: `influence.json`, checked field by field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from torch import nn

from influence.errors import InfluenceError, unknown
from influence.network.joint_network import Call, JointNetwork, Modality, Output

__all__ = ["FACTS", "add_optimal", "read_facts"]

FACTS = "influence.json"


def read_facts(text: bytes | str, module: nn.Module) -> JointNetwork:
    """Put a module behind the names that its facts give.

    Parameters
    ----------
    text
        The content of `influence.json`. Only the names of the inputs and outputs are required;
        unknown keys are ignored.
    module
        The network.

    Raises
    ------
    InfluenceError
        If the text is not JSON, or a fact is missing or has another type than it should.

    Examples
    --------
    >>> read_facts('{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}', nn.Identity())
    JointNetwork(network: x -> y)
    """
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InfluenceError(f"{FACTS} is not JSON: {error}") from error
    root = _Fields(facts, "")
    call = root.text("call", "positional")
    if call not in get_args(Call):
        raise root.error("call", f"one of {', '.join(get_args(Call))}", call)
    return JointNetwork(
        module,
        [_modality(item) for item in root.items("inputs")],
        [_output(item) for item in root.items("outputs")],
        name=root.text("name", "network"),
        seed=root.integer("seed"),
        trained_on=root.text("trained_on", ""),
        notes=root.text("notes", ""),
        call=cast(Call, call),
    )


def add_optimal(text: bytes | str, constants: Mapping[str, Sequence[float]]) -> str:
    """Return the facts with optimal constants of some inputs; all else stays.

    Parameters
    ----------
    text
        The content of `influence.json`, as `read_facts` takes it.
    constants
        Input -> constant, one number a channel.

    Raises
    ------
    InfluenceError
        If there is no input of such a name.

    Examples
    --------
    >>> add_optimal('{"inputs": [{"name": "x"}]}', {"x": (0.5,)}).split()
    ['{', '"inputs":', '[', '{', '"name":', '"x",', '"optimal":', '[', '0.5', ']', '}', ']', '}']
    """
    facts = json.loads(text)
    items = {item["name"]: item for item in facts["inputs"]}
    for name, constant in constants.items():
        if name not in items:
            raise unknown("input", name, items)
        items[name]["optimal"] = list(constant)
    return json.dumps(facts, indent=2)


def _modality(item: _Fields) -> Modality:
    return Modality(
        name=item.text("name"),
        kind=item.text("kind", "other"),
        shape=item.shape("shape"),
        unit=item.text("unit", ""),
        mean=item.numbers("mean"),
        std=item.numbers("std"),
        optimal=item.numbers("optimal"),
        missing=item.text("missing", ""),
    )


def _output(item: _Fields) -> Output:
    return Output(
        name=item.text("name"), kind=item.text("kind", "other"), classes=item.texts("classes")
    )


class _Fields:
    """One JSON object, read by typed accessors that name it in their errors."""

    def __init__(self, content: Any, place: str) -> None:
        self.place = place
        if not isinstance(content, Mapping):
            raise InfluenceError(f"{FACTS}: {place or 'it'} has to be an object, got {content!r}")
        self.content = content

    def error(self, key: str, expected: str, got: Any) -> InfluenceError:
        return InfluenceError(f"{FACTS}: {self.place}{key} has to be {expected}, got {got!r}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.content.get(key, default)
        # A control character could forge lines in a table or on a terminal.
        if not isinstance(value, str) or not value.replace("\n", "").isprintable():
            raise self.error(key, "a printable text", value)
        return value

    def integer(self, key: str) -> int | None:
        value = self.content.get(key)
        if value is not None and type(value) is not int:
            raise self.error(key, "an integer or null", value)
        return value

    def items(self, key: str) -> list[_Fields]:
        values = self.content.get(key)
        if not isinstance(values, list):
            raise self.error(key, "a list of objects, one a tensor", values)
        return [_Fields(value, f"{key}[{i}].") for i, value in enumerate(values)]

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.content.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.error(key, "a list of texts", values)
        return tuple(values)

    def numbers(self, key: str) -> tuple[float, ...] | None:
        values = self.content.get(key)
        if values is None:
            return None
        if not isinstance(values, list) or not all(
            type(v) in (int, float) and math.isfinite(v) for v in values
        ):
            raise self.error(key, "a list of finite numbers, one a channel, or null", values)
        return tuple(float(v) for v in values)

    def shape(self, key: str) -> tuple[int | None, ...] | None:
        values = self.content.get(key)
        if values is None:
            return None
        if not isinstance(values, list) or not all(
            v is None or (type(v) is int and v > 0) for v in values
        ):
            raise self.error(key, "a list of lengths, null for a free axis", values)
        return tuple(values)
