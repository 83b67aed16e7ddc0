"""Content of another form than its record is refused, with the field's name."""

from __future__ import annotations

import pytest

from influence.errors import InfluenceError
from influence.runtime.reading.records import Record, read_record


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
        ({"layers": [{"name": 3}]}, "layers: 0: name: input should be a valid string, got 3"),
        ("text", "input should be"),
    ],
)
def test_other_content_is_refused(content: object, message: str) -> None:
    with pytest.raises(InfluenceError, match=f"^net.json: {message}.*Export it again$"):
        read_record(Network, content, "net.json", "Export it again")


def test_content_becomes_a_record() -> None:
    found = read_record(Network, {"layers": [{"name": "a"}]}, "net.json", "Export it again")
    assert found.layers[0] == Layer(name="a")


def test_an_array_of_a_text_becomes_the_declared_tuple() -> None:
    found = read_record(Layer, b'{"name": "a", "sizes": [1, 2]}', "net.json", "Export it again")
    assert found == Layer(name="a", sizes=(1, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "invalid JSON: .*, got b'{'"),
        (b"\xff", "invalid JSON"),
        (b'{"name": "a", "sizes": [1, "2"]}', "sizes: 1: input should be a valid integer, got '2'"),
        (b'{"name": "a", "sizes": [1, true]}', "sizes: 1: input should be a valid integer"),
    ],
)
def test_other_texts_are_refused(text: bytes, message: str) -> None:
    with pytest.raises(InfluenceError, match=f"^net.json: {message}.*Export it again$"):
        read_record(Layer, text, "net.json", "Export it again")
