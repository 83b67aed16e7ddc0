"""The sweep: which networks there are, what they are trained on, where their results lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from experiments.nyuv2.__main__ import open_study
from experiments.training.configuration import read_checked
from experiments.training.recipe import Recipe
from experiments.training.study import TASKS, SimpleName, Study
from influence.errors import unknown
from models.jrn import JRNConfig

__all__ = ["CONDITIONS", "HERE", "Condition", "Design", "Member", "Settings", "Sweep"]

HERE = Path(__file__).resolve().parent

Condition = Literal["in-sample", "cross-fitted"]
"""How the training inputs were predicted: by networks that have seen the image, as in the paper,
or by networks that have not."""

CONDITIONS: tuple[Condition, ...] = ("in-sample", "cross-fitted")
SUFFIXES: dict[Condition, str] = {"in-sample": "", "cross-fitted": "-crossfit"}


@dataclass(frozen=True)
class Design:
    """What tells joint refinement networks apart, see `models.jrn.JRNConfig`, and the trainings."""

    fusion: Literal["cat", "sum"]
    channels: PositiveInt
    features: PositiveInt = 20
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    conditions: tuple[Condition, ...] = CONDITIONS

    @property
    def fused(self) -> int:
        """C0, the channels that the two modalities are fused into."""
        return 2 * self.features if self.fusion == "cat" else self.features


@dataclass(frozen=True)
class Settings:
    """The configuration file.

    Attributes
    ----------
    folds
        The parts of the training images that cross-fitted inputs are predicted in.
    recipe
        How the joint networks are trained.
    designs
        Which joint networks there are.
    """

    folds: Annotated[int, Field(ge=2)]
    recipe: Recipe
    designs: dict[SimpleName, Design]


@dataclass(frozen=True)
class Member:
    """One network of the sweep."""

    label: str
    design: Design
    condition: Condition
    seed: int

    @property
    def name(self) -> str:
        """Its name in the tables; networks of all seeds share it."""
        return f"jrn-{self.label}{SUFFIXES[self.condition]}"

    @property
    def place(self) -> str:
        """Where its files lie in a folder of files of all networks."""
        return f"seed{self.seed}/{self.name}"


@dataclass(frozen=True)
class Sweep:
    """All networks, their data, and where everything lies.

    Attributes
    ----------
    data
        The folder of NYU-Depth v2; `None` for the one in the environment.
    work
        Caches, resumable training states, weights and runs; outside version control.
    results
        The folder of `sweep.toml`.
    reports
        The folder of the tables.
    """

    data: str | None = None
    work: Path = Path("runs/sweep")
    results: Path = HERE
    reports: Path = HERE.parents[1] / "reports" / "sweep"

    @cached_property
    def settings(self) -> Settings:
        """What the configuration file says."""
        return read_checked(Settings, self.results / "sweep.toml")

    def members(self) -> Iterator[Member]:
        """Yield all networks: the designs with several seeds first, one condition at a time."""
        for several in (True, False):
            for condition in CONDITIONS:
                for label, design in self.settings.designs.items():
                    if (len(design.seeds) > 1) == several and condition in design.conditions:
                        for seed in design.seeds:
                            yield Member(label, design, condition, seed)

    def choose(self, places: tuple[str, ...]) -> list[Member]:
        """Return the networks at these places, all if there are none."""
        known = {member.place: member for member in self.members()}
        for place in places:
            if place not in known:
                raise unknown("network", place, known)
        return [known[place] for place in places or known]

    def inputs(self, condition: Condition) -> Study:
        """Return the study whose predictions are the training inputs of a condition."""
        study = open_study(data=self.data, work=self.work / condition)
        folds = 1 if condition == "in-sample" else self.settings.folds
        return replace(study, folds=folds)

    def single_task_networks(self) -> list[tuple[Study, str, str]]:
        """Return study, task and part of each network that predicts cross-fitted inputs."""
        study = self.inputs("cross-fitted")
        return [(study, task, f"fold{fold}") for fold in range(study.folds) for task in TASKS]

    def config(self, member: Member, *, classes: int) -> JRNConfig:
        """Return the configuration of a network."""
        return JRNConfig(
            fusion=member.design.fusion,
            channels=member.design.channels,
            features=member.design.features,
            classes=classes,
        )

    def folder(self, member: Member) -> Path:
        """The folder of one training run."""
        return self.work / "trained" / member.place

    def weights_path(self, member: Member) -> Path:
        """The trained weights (float16), which `measure` reads."""
        return self.work / "weights" / f"{member.place}.safetensors"

    def statistics_path(self, condition: Condition) -> Path:
        """Mean and deviation of the training inputs of a condition."""
        return self.work / "weights" / f"{condition}.json"

    def run_folder(self, member: Member) -> Path:
        """The folder of one measurement."""
        return self.work / "measured" / member.place
