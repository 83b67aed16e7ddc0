"""Refilling: a `.pt2` checkpoint written again, with other facts and the same program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from influence.checkpoints import load_checkpoint, read_network
from influence.errors import InfluenceError
from influence.facts import FACTS, add_optimal
from influence.files import replace_on_success
from influence.programs.archive import with_text
from influence.programs.program import read_program

__all__ = ["check_refill", "refill_checkpoint"]


def refill_checkpoint(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    constants: Mapping[str, Sequence[float]],
) -> None:
    """Write a `.pt2` checkpoint again, with optimal constants in its facts.

    The network's graph and weights stay the same to the byte.

    Parameters
    ----------
    path
        A file of `export_checkpoint`.
    out
        The new file, which must not be there yet.
    constants
        Input -> constant, as `influence.optimal.learn_optimal` returns them.

    Raises
    ------
    InfluenceError
        If `path` is no such file or `out` is there, or an input is unknown.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from influence.checkpoints import export_checkpoint
    >>> from influence.network import JointNetwork
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = JointNetwork(torch.nn.Linear(3, 2), inputs=("x",), outputs=("y",))
    >>> export_checkpoint(net, folder / "old.pt2", {"x": torch.zeros(2, 3)})
    >>> refill_checkpoint(folder / "old.pt2", folder / "new.pt2", {"x": (1, 2, 3)})
    >>> load_checkpoint(folder / "new.pt2").inputs[0].optimal
    (1.0, 2.0, 3.0)
    """
    check_refill(path, out)
    load_checkpoint(path)  # says what is wrong with it
    data = Path(path).read_bytes()
    text = add_optimal(read_program(data).texts[FACTS], constants)
    filled = with_text(data, FACTS, text)
    read_network(filled)  # what cannot be loaded is never written
    with replace_on_success(out) as aside:
        aside.write_bytes(filled)


def check_refill(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Raise InfluenceError unless one file can be filled anew and written to the other."""
    for name in (path, out):
        if Path(name).suffix != ".pt2":
            raise InfluenceError(
                f"expected a file name that ends in .pt2, got {str(name)!r}: files of weights hold "
                "no facts. Give constants to their network: Modality(name, optimal=...)"
            )
    if Path(out).exists():
        raise InfluenceError(f"{out} is there, and is not written over. Choose another name")
