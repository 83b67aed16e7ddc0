"""What is not as a record says is refused, with the field's name."""

from __future__ import annotations

import pytest

from influence.errors import InfluenceError
from influence.runtime.records import Record, read_record


class Layer(Record):
    name: str
    sizes: tuple[int, ...] = ()


class Network(Record):
    layers: list[Layer]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "layers: field required"),
        ({"layers": [], "more": 1}, "more: extra inputs are not permitted"),
        ({"layers": [{"name": 3}]}, "layers: 0: name: input should be a valid string, got '3'"),
        ("text", "input should be"),
    ],
)
def test_other_content_is_refused(content: object, message: str) -> None:
    with pytest.raises(InfluenceError, match=f"^net.json: {message}.*Export it again$"):
        read_record(Network, content, "net.json", "Export it again")


def test_content_becomes_a_record() -> None:
    found = read_record(Network, {"layers": [{"name": "a"}]}, "net.json", "Export it again")
    assert found.layers[0] == Layer(name="a")
