"""The numbers in READMEs: blocks between two markers, written from the CSVs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from influence.errors import InfluenceError
from influence.runtime.files import replace_on_success

__all__ = ["fill_blocks", "write_blocks"]


def fill_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """Replace what stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``.

    Raises
    ------
    InfluenceError
        If a block has not exactly one pair of markers.

    Examples
    --------
    >>> print(fill_blocks("<!-- t:begin -->old<!-- t:end -->", {"t": "new"}))
    <!-- t:begin -->
    new
    <!-- t:end -->
    """
    for name, content in blocks.items():
        begin, end = (f"<!-- {name}:{side} -->" for side in ("begin", "end"))
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        block = f"{begin}\n{content.strip()}\n{end}"
        if (count := len(pattern.findall(text))) != 1:
            raise InfluenceError(f"expected one block {begin} ... {end}, found {count}")
        text = pattern.sub(block.replace("\\", r"\\"), text)
    return text


def write_blocks(path: Path, blocks: Mapping[str, str]) -> Path:
    """Fill the blocks of a file."""
    try:
        filled = fill_blocks(path.read_text(encoding="utf-8"), blocks)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}. Restore the markers") from None
    with replace_on_success(path) as aside:
        aside.write_text(filled, encoding="utf-8")
    return path
