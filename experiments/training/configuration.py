"""Configuration files: TOML, checked before anything is trained.

The file of the paper's experiment holds the fields of `Settings`.

In a file of other networks the keys at the top hold for all of them; each table ``networks.NAME``
names a network and what is different about it. ``options`` are the fields of the network's own
configuration, ``recipe`` those of `Recipe`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
import torch
from pydantic import Field
from torch import nn

from experiments.training.network_training import Loss
from experiments.training.recipe import Recipe, Share
from experiments.training.study import Settings, SimpleName
from influence.errors import InfluenceError, unknown
from models.jrn import VARIANTS

__all__ = [
    "Plan",
    "find_object",
    "make_config",
    "make_loss",
    "make_network",
    "read_checked",
    "read_configuration",
    "read_settings",
]

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Plan:
    """One network of a study.

    Attributes
    ----------
    name
        Of the network and of its files, unique in the study.
    network
        ``module:class``; the class takes an instance of its attribute `Config`, which has the
        fields `inputs` and `outputs`, and has a method `raw`, see `NetworkTraining`.
    loss
        ``module:function`` of raw maps, true depth and labels.
    options, loss_options
        Fields of `Config`, and keyword arguments of the loss.
    labels
        The label set, as `experiments.datasets.nyuv2.open_nyuv2` takes it.
    sites
        What is muted: inputs and internal edges; all inputs if empty.
    mutes
        How, as `influence measure --mute` takes it.
    changes
        Augmentations of whole batches: ``module:function``.
    labelled
        How many training images keep their labels; 0 for all.
    teacher
        The network of the same file whose confident predictions stand in for missing labels.
    confidence
        The least probability of such a prediction.
    compared_with
        The network of the same file that this one is the single-task twin, or a variant, of: their
        performances are compared sample by sample.
    recipe
        How it is trained.
    seed
        Of start, order and random changes.
    """

    name: SimpleName
    network: str
    loss: str
    options: dict[str, Any] = field(default_factory=dict)
    loss_options: dict[str, Any] = field(default_factory=dict)
    labels: SimpleName = "wang"
    sites: tuple[str, ...] = ()
    mutes: str = "panel"
    changes: tuple[str, ...] = ()
    labelled: Annotated[int, Field(ge=0)] = 0
    teacher: str = ""
    confidence: Share = 0.9
    compared_with: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    seed: Annotated[int, Field(ge=0)] = 0


def read_settings(path: Path) -> Settings:
    """Read the settings of a study.

    Raises
    ------
    InfluenceError
        If the file is no TOML, or a key or its value is not as `Settings` says.
    """
    settings = read_checked(Settings, path)
    for variant in settings.variants:
        if variant not in VARIANTS:
            raise unknown(f"variant in {path}", variant, VARIANTS)
    return settings


def read_checked(kind: type[Kind], path: Path) -> Kind:
    """Read a file that holds the fields of a dataclass.

    Raises
    ------
    InfluenceError
        If the file is no TOML, or a key or its value is not as the dataclass says.
    """
    return _checked(kind, _read(path), str(path))


def read_configuration(path: Path) -> dict[str, Plan]:
    """Read the networks of a study, by name.

    Raises
    ------
    InfluenceError
        If the file is no TOML, or a key or its value is not as `Plan` says.
    """
    common = _read(path)
    networks = common.pop("networks", None)
    if not isinstance(networks, dict) or not networks:
        raise InfluenceError(f"{path} names no network: expected a table [networks.NAME]")
    plans = {}
    for name, own in networks.items():
        where = f"{path}, network {name!r}"
        if not isinstance(own, dict) or "name" in common | own:
            raise InfluenceError(f"{where}: expected a table [networks.{name}] without a key name")
        plans[name] = _checked(Plan, {"name": name} | _merged(common, own), where)
    for plan in plans.values():
        for other in filter(None, (plan.teacher, plan.compared_with)):
            if other not in plans.keys() - {plan.name}:
                raise unknown(f"other network in {path}", other, plans.keys() - {plan.name})
    return plans


def make_config(plan: Plan) -> Any:
    """Make the configuration of a plan's network.

    Raises
    ------
    InfluenceError
        If `plan.network` names no network, or `plan.options` does not fit its `Config`.
    """
    kind = find_object(plan.network)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module) and hasattr(kind, "Config")):
        raise InfluenceError(f"{plan.network} is not a network: expected a class with a `Config`")
    return _checked(kind.Config, plan.options, f"options of network {plan.name!r}")


def make_network(plan: Plan) -> nn.Module:
    """Make the network of a plan, at its random start.

    Raises
    ------
    InfluenceError
        As of `make_config`, or if the network cannot be made from its configuration.
    """
    config = make_config(plan)
    torch.manual_seed(plan.seed)
    try:
        network: nn.Module = find_object(plan.network)(config)
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        raise InfluenceError(f"options of network {plan.name!r}: {error}") from error
    return network


def make_loss(plan: Plan) -> Loss:
    """Make the loss of a plan.

    Raises
    ------
    InfluenceError
        If `plan.loss` names no function, or it does not take `plan.loss_options`.
    """
    loss = find_object(plan.loss)
    try:
        signature(loss).bind(None, None, None, **plan.loss_options)
    except (TypeError, ValueError) as error:
        raise InfluenceError(f"loss of network {plan.name!r}, {plan.loss}: {error}") from error
    return partial(loss, **plan.loss_options)


def find_object(name: str) -> Any:
    """Import ``module:object``; a configuration file is trusted like the code it names."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # whatever the module does while it is imported
        raise InfluenceError(
            f"expected module:object, {name!r} is not there: {error}. Correct the name"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} cannot be read as TOML: {error}. Correct it") from error


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the keys of one network over the common ones; tables key by key."""
    both = dict(common)
    for key, value in own.items():
        old = both.get(key)
        both[key] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _checked(kind: type[Kind], content: Mapping[str, Any], where: str) -> Kind:
    """Make a dataclass: no unknown key, no missing one, no value of another type or infinite."""
    try:
        # as JSON: there an array may be a tuple, and still no string a number
        text = json.dumps(content, allow_nan=False)
        return pydantic.TypeAdapter(kind).validate_json(text, strict=True, extra="forbid")
    except pydantic.ValidationError as error:
        raise InfluenceError(f"{where}: {_faults(error)}") from error
    except (TypeError, ValueError, RecursionError) as error:  # a date, nan or inf
        raise InfluenceError(f"{where}: {error}") from error


def _faults(error: pydantic.ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
