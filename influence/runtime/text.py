"""Text that goes out to readers, although it holds names that anybody may have written.

Names of data sets, classes, networks and files come from files of other people. A terminal obeys
the control characters in them, and a reader is deceived by marks that reverse letters or that
cannot be seen. So each of them is shown by its code. What a console has no letters for is spelled
in letters that it has, and what a spreadsheet would run as a formula is guarded.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Mapping

from influence.errors import visible

__all__ = ["ERRORS", "guarded", "on_one_line", "shortened", "spell_out", "spell_out_on_consoles"]

ERRORS = "influence.spell_out"
"""How a stream writes characters that its encoding lacks; see `spell_out`."""

FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")

SPELLINGS: Mapping[str, str] = {
    "ω": "omega", "δ": "delta", "→": "->", "←": "<-", "↑": "up", "↓": "down", "−": "-",
    "–": "-", "—": "-", "·": "*", "…": "...", "≤": "<=", "≥": ">=", "±": "+-", "×": "x",
    "∞": "inf", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""Signs of this program, in letters that every console has."""


def on_one_line(name: object) -> str:
    r"""Return a name on one line, visibly, with one space in place of several.

    >>> on_one_line("living\n  room\x07")
    'living room\\x07'
    """
    return " ".join(visible(name).split())


def shortened(name: str, most: int) -> str:
    """Return a name of at most `most` characters, without its middle if it has more.

    >>> shortened("a network of many words", 12)
    'a netw…words'
    """
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def guarded(cell: str) -> str:
    """Return a cell of a table such that a spreadsheet does not run it as a formula.

    Other texts than numbers that start like a formula get an apostrophe in front, by which a
    spreadsheet knows a text (OWASP, CSV Injection).

    >>> guarded("=1+1"), guarded("-0.5"), guarded("-a")
    ("'=1+1", '-0.5', "'-a")
    """
    acts = FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if acts else cell


def spell_out(error: UnicodeError) -> tuple[str, int]:
    """Replace a character that an encoding lacks: by a spelling, its base letter, or a `?`.

    It is registered as the way `ERRORS` to handle errors of encodings.

    >>> "ω of café → 中".encode("ascii", ERRORS)
    b'omega of cafe -> ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelling, error.object[error.start : error.end])), error.end


def _spelling(character: str) -> str:
    if character in SPELLINGS:
        return SPELLINGS[character]
    if visible(character) != character:
        return visible(character)
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or ("" if unicodedata.combining(character) else "?")


def spell_out_on_consoles() -> None:
    """Let the standard streams spell out what their encoding lacks, in place of an error.

    What goes to a stream that was closed before the program started is lost.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ERRORS)


codecs.register_error(ERRORS, spell_out)
