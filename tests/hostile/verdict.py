"""What an input may not do: the rules by which the outcome of a command is judged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tests.hostile.client import Limits, Outcome
from tests.hostile.sandbox import Attack, Sandbox

__all__ = ["FAULTS", "faults"]

FAULTS = {
    "traceback": "a traceback",
    "signal": "ended by a signal, or by an exit code other than 0, 1 and 2",
    "code": "code from the input ran",
    "outside": "a file was touched that the command was not told to write",
    "memory": "more memory than allowed",
    "time": "more time than allowed",
    "accepted": "exit code 0 for an input that is not valid",
    "sentence": "no sentence that says what is wrong, or pages of text",
    "control": "control characters, bidirectional marks or undecodable bytes were printed",
}
"""The faults that an outcome may have."""

MOST_LINES, MOST_CHARACTERS = 12, 3000
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SENTENCE = re.compile(r"^(influence|Error): .*\w", re.MULTILINE)
PLACE = re.compile(r'File ".*/(influence/[^"]+)", line (\d+)')
PROGRESS = re.compile(r"^\s*\d+(%|/\d+|sample).*\n", re.MULTILINE)


def faults(attack: Attack, outcome: Outcome, box: Sandbox, limits: Limits) -> dict[str, str]:
    """Return the faults of an outcome, each with what shows it."""
    return dict(_faults(attack, outcome, box, limits))


def _faults(
    attack: Attack, outcome: Outcome, box: Sandbox, limits: Limits
) -> Iterator[tuple[str, str]]:
    printed = {
        name: getattr(outcome, name).decode(attack.encoding, errors="replace")
        for name in ("stdout", "stderr")
    }
    said = PROGRESS.sub("", printed["stderr"])
    if "Traceback (most recent call last)" in printed["stdout"] + printed["stderr"]:
        yield "traceback", _where(said)
    if outcome.code not in (0, 1, 2) and not outcome.late:
        yield "signal", f"exit code {outcome.code}"
    if box.canary.exists():
        yield "code", f"{box.canary.name} was written"
    if touched := box.touched(attack):
        yield "outside", ", ".join(touched[:5])
    if outcome.memory > limits.memory:
        yield "memory", f"{outcome.memory / 2**30:.2f} GB"
    if outcome.late:
        yield "time", f"over {limits.seconds:g} s"
    if outcome.code == 0 and not attack.may_succeed:
        yield "accepted", "exit code 0"
    if outcome.code in (1, 2) and "Traceback" not in said:
        lines = said.strip().splitlines()
        if not SENTENCE.search(said):
            yield "sentence", f"{said[:100]!r}"
        elif len(lines) > MOST_LINES or len(said) > MOST_CHARACTERS:
            yield "sentence", f"{len(lines)} lines, {len(said)} characters"
    for name, text in printed.items():
        if found := sorted({c for c in text if not _is_safe(c)}):
            yield "control", f"{name}: " + " ".join(f"U+{ord(c):04X}" for c in found)


def _where(trace: str) -> str:
    """Return the last line of a traceback, and the last place in the library that it passed."""
    last = trace.strip().rpartition("\n")[2]
    places = PLACE.findall(trace)
    return f"{last} ({':'.join(places[-1])})" if places else last


def _is_safe(character: str) -> bool:
    if character in "\n\t":
        return True
    if character in BIDIRECTIONAL + "\u2028\u2029\ufffd":
        return False
    return unicodedata.category(character) not in ("Cc", "Cs")
