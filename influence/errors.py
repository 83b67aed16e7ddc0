"""The one exception that the library raises for a user's mistake, and its text made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InfluenceError", "code_of", "said", "unknown", "visible"]

JOINER = "\N{ZERO WIDTH JOINER}"

TIED = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff"
"""Scripts whose letters are tied or kept apart by joiners: Arabic, those of India, Khmer."""

PICTURE = "\u00a9\u00ae\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff\U000e007f"
"""Characters that a joiner may tie to one picture, as in that of a family."""

ACTING = re.compile(
    "\r(?!\n)"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # control characters, but tab and line feed
    "|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e]"
    "|[\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U0001d173-\U0001d17a]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]"  # but those of a flag
    f"|(?<![{TIED}])\u200c|\u200c(?![{TIED}])"
    f"|(?<![{TIED}{PICTURE}]){JOINER}|{JOINER}(?![{TIED}{PICTURE}])"
)


class InfluenceError(Exception):
    """A file, a network or an argument is not what it has to be.

    The message says what was expected, what came and what to do. The command line prints it
    without a traceback and ends with exit code 1. Characters of quoted names that a terminal would
    obey are shown by their codes.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


def unknown(what: str, name: str, known: Iterable[str]) -> InfluenceError:
    """Build the error for a name that is not in a registry, with the nearest known names.

    >>> print(unknown("metric", "mean_iuo", ["mean_iou", "rms"]))
    unknown metric 'mean_iuo': did you mean 'mean_iou'? Known: mean_iou, rms
    """
    known = sorted(known)
    near = get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InfluenceError(f"unknown {what} {name!r}: {hint}Known: {', '.join(known) or 'none'}")


def said(error: BaseException) -> str:
    """Return the type and the message of an exception of a user's code.

    >>> said(ValueError("no such thing\\n"))
    'ValueError: no such thing'
    """
    try:
        text = str(error).strip()
    except Exception:  # whose message fails itself
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def visible(text: object) -> str:
    r"""Return a text in which every character that acts or cannot be seen is shown by its code.

    These are control characters other than tabs and line ends, marks of the direction of writing,
    characters without width, separators of lines and paragraphs, and halves of characters.
    Letters of all scripts and pictures stay, with the joiners and the marks that belong to them.

    Examples
    --------
    >>> visible("red \x1b[31m, left \u202e, caf\u00e9")
    'red \\x1b[31m, left \\u202e, café'
    """
    return ACTING.sub(lambda match: code_of(match[0]), str(text))


def code_of(character: str) -> str:
    r"""Return the code by which a character is shown, such as ``\x1b`` or ``\u202e``."""
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
