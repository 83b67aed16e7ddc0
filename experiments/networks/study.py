"""The study: which networks there are, where their data and their results lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from experiments.datasets.nyuv2 import open_nyuv2
from experiments.training.configuration import Plan, make_config, read_configuration
from experiments.training.study import SplitArrays, read_arrays
from influence.errors import InfluenceError, unknown
from influence.network.sites import PREFIX, is_edge

__all__ = ["HERE", "NetworkStudy"]

HERE = Path(__file__).resolve().parent
INPUTS = ("rgb", "depth")
OUTPUTS = ("depth", "semantic")


@dataclass(frozen=True)
class NetworkStudy:
    """All networks of the configuration files of one folder.

    Attributes
    ----------
    data
        The folder of NYU-Depth v2; `None` for the one in the environment.
    work
        Caches and resumable training states; outside version control.
    results
        Configuration files (``*.toml``).
    reports
        The folder of the tables.
    """

    data: str | None = None
    work: Path = Path("runs/networks")
    results: Path = HERE
    reports: Path = HERE.parents[1] / "reports" / "networks"
    height: int = 120
    width: int = 160
    max_depth: float = 10.0

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """Every network, by name."""
        plans: dict[str, Plan] = {}
        for path in sorted(self.results.glob("*.toml")):
            found = read_configuration(path)
            if twice := plans.keys() & found.keys():
                raise InfluenceError(
                    f"{path}: {', '.join(sorted(twice))} is also in another file. Rename one"
                )
            plans |= found
        for plan in plans.values():
            _check_names(plan)
        return plans

    def plan(self, name: str) -> Plan:
        """How one network is built, trained and measured."""
        if name not in self.plans:
            raise unknown("network", name, self.plans)
        return self.plans[name]

    def choose(self, names: Iterable[str] = ()) -> list[str]:
        """Check the names of networks; all of them if none is given."""
        return [self.plan(name).name for name in names] or list(self.plans)

    def folder(self, name: str) -> Path:
        """The folder of one training run."""
        return self.work / name

    def weights_path(self, name: str) -> Path:
        """The trained weights (float16)."""
        return self.folder(name) / "weights.safetensors"

    def load_split(self, split: str, labels: str) -> SplitArrays:
        """Read the images of a split with one label set."""
        return read_arrays(
            open_nyuv2(self.data, split, classes=labels),
            self.work / "images" / f"{split}_{labels}_{self.width}x{self.height}.npz",
            height=self.height,
            width=self.width,
            max_depth=self.max_depth,
        )


def _check_names(plan: Plan) -> None:
    """Raise InfluenceError if the data lack an input or an output, or a site is no input."""
    config = make_config(plan)
    inputs = [site for site in plan.sites if not is_edge(site)]
    for kind, names, known in (
        ("input", config.inputs, INPUTS),
        ("output", config.outputs, OUTPUTS),
        ("site", inputs, (*config.inputs, f"{PREFIX}MODULE.PATH")),
    ):
        for name in names:
            if name not in known:
                raise unknown(f"{kind} of network {plan.name!r}", name, known)
