"""A second reader of pages: the HTML parser of the standard library, and no code of the page's."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pandas as pd

VOID = {"meta", "link", "input", "img", "br"}


@dataclass
class Tag:
    """An element with its attributes and the text in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Reader(HTMLParser):
    """Collect the elements of a page, in the order in which they end."""

    tags: list[Tag] = field(default_factory=list)
    open: list[Tag] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Tag(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.tags.append(found)
        else:
            self.open.append(found)

    def handle_endtag(self, tag: str) -> None:
        found = self.open.pop()
        assert found.name == tag, f"<{found.name}> is closed by </{tag}>"
        self.tags.append(found)

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            tag.text += data

    def named(self, name: str, **attributes: str) -> list[Tag]:
        """Return the elements of a name with these attributes."""
        return [
            tag
            for tag in self.tags
            if tag.name == name and attributes.items() <= tag.attributes.items()
        ]

    def packet(self, name: str) -> Any:
        """Return the content of a packet of JSON."""
        (packed,) = self.named("script", id=f"packet-{name}")
        return json.loads(gzip.decompress(b64decode(packed.text)))

    def table(self, name: str) -> pd.DataFrame:
        """Return a table that the page carries, every cell as text."""
        columns = {}
        for key, column in self.packet(name).items():
            names = column["names"]
            indices = column.get("indices")
            columns[key] = [names[int(i)] for i in indices.split(",")] if indices else names
        return pd.DataFrame(columns, dtype="str")


def read_page(page: str) -> Reader:
    """Parse a page; every element has to be closed."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader
