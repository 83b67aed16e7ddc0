"""The commands that read a network or data, one of which is drawn for an input."""

from __future__ import annotations

from random import Random

from tests.hostile.sandbox import Sandbox
from tests.hostile.seeds import FACTORY, MEASURE

__all__ = ["read_network", "read_run"]

Command = tuple[list[str], tuple[str, ...]]
"""Arguments, and what they name to be written."""


def read_network(
    stream: Random, box: Sandbox, name: str, *, factory: bool = False, data: str = "data.h5"
) -> Command:
    """Draw a command that reads a checkpoint."""
    network = ["--network", FACTORY] if factory else []
    kind = stream.choice(("show", "show", "show", "measure", "measure", "maps", "optimal"))
    if kind != "show" and not (box.work / data).exists():
        box.take("data.h5", data)
    if kind == "show":
        return ["show", name, *network], ()
    if kind == "measure":
        return ["measure", "--ckpt", name, *network, "--data", data, *MEASURE, "--out", "out"], (
            "out",
        )
    if kind == "maps":
        return (
            ["maps", "--ckpt", name, *network, "--data", data, "--source", "depth", "--target",
             "semantic", "--mute", "zero", "--id", "sample 0", "--out", "maps.h5"],
            ("maps.h5",),
        )  # fmt: skip
    filled = [] if factory else ["--out", "filled.pt2"]
    return (
        ["optimal", name, *network, "--data", data, "--steps", "1", "--device", "cpu", *filled],
        ("filled.pt2",),
    )


def read_run(stream: Random, box: Sandbox, *, own: tuple[str, ...] = ()) -> Command:
    """Draw a command that reads the run directory ``run``, of some that read what was changed."""
    kind = stream.choice(
        own or ("omega", "omega", "mutes", "interactions", "performance", "classes", "samples",
                "seeds", "plot", "report", "compare", "power", "gallery", "maps", "measure")
    )  # fmt: skip
    data = ["--data", "data.h5"]
    if kind in ("gallery", "maps", "measure"):
        box.take("net.pt2")
        box.take("data.h5")
    if kind == "plot":
        drawn = stream.choice(("performance", "mutes", "matrix", "interactions", "slices", "seeds"))
        return ["plot", drawn, "run", "--out", "figure.png"], ("figure.png",)
    if kind == "report":
        return ["report", "run", "--out", "page.html"], ("page.html",)
    if kind == "compare":
        box.take("other")
        return ["compare", "run", "other", "--out", "compared.csv"], ("compared.csv",)
    if kind == "power":
        return ["power", "run", "--out", "power.csv"], ("power.csv",)
    if kind == "gallery":
        return ["gallery", "run", "net.pt2", *data, "--top", "1"], ("run/gallery",)
    if kind == "maps":
        return (
            ["maps", "--ckpt", "net.pt2", *data, "--source", "depth", "--target", "semantic",
             "--mute", "zero", "--run", "run", "--figure", "maps.png"],
            ("maps.png",),
        )  # fmt: skip
    if kind == "measure":
        return ["measure", "net.pt2", *data, *MEASURE, "--interactions", "--by", "depth=2",
                "--out", "run"], ("run",)  # fmt: skip
    formats = stream.choice(("text", "csv", "md", "tex"))
    return ["table", kind, "run", "--format", formats], ()
