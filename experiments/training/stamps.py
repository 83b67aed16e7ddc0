"""The stamp of a training run: what decided its weights, kept beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from influence.errors import InfluenceError
from influence.runtime.files import replace_on_success

__all__ = ["check_stamp"]


def check_stamp(folder: Path, facts: Mapping[str, Any]) -> None:
    """Stamp the folder of a new run; refuse to go on with a run that has another stamp.

    A finished run without a stamp is taken as it is.

    Parameters
    ----------
    facts
        By name, as JSON can hold them.

    Raises
    ------
    InfluenceError
        If the stamp differs, cannot be read, or an unfinished run has none.
    """
    path = folder / "stamp.json"
    text = json.dumps(facts, indent=1, sort_keys=True)
    if path.is_file():
        _compare(folder, _read(path), json.loads(text))
    elif (folder / "weights.safetensors").is_file():
        return
    elif (folder / "last.ckpt").is_file():
        raise InfluenceError(
            f"{folder} holds an unfinished training, but no {path.name} to say with what it began. "
            "Delete the folder to train anew"
        )
    else:
        with replace_on_success(path) as aside:
            aside.write_text(text)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} cannot be read: {error}. Delete its folder") from error
    if not isinstance(found, dict):
        raise InfluenceError(f"{path} is no stamp of a training run. Delete its folder")
    return found


def _compare(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{name}: {then.get(name)} there, {now.get(name)} now"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise InfluenceError(
            f"{folder.name}: the training in this folder began with other settings "
            f"({'; '.join(changed)}). Restore them, or delete {folder} to train anew"
        )
