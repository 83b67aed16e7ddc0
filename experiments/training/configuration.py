"""The configuration file of a study of networks: TOML, checked before anything is trained.

The keys at the top hold for all its networks; each table ``networks.NAME`` names a network and what
is different about it. ``options`` are the fields of the network's own configuration, ``recipe``
those of `Recipe`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pydantic
import torch
from pydantic import TypeAdapter
from torch import nn

from experiments.training.recipe import Recipe
from influence.errors import InfluenceError

__all__ = ["Plan", "find_object", "make_network", "read_configuration"]


@dataclass(frozen=True)
class Plan:
    """One network of a study.

    Attributes
    ----------
    name
        Of the network, unique in the study.
    network
        ``module:class``; the class takes an instance of its attribute `Config`, which has the
        fields `inputs` and `outputs`.
    loss
        ``module:function`` of raw maps, true depth and labels.
    options, loss_options
        Fields of `Config`, and keyword arguments of the loss.
    labels
        The label set, as `experiments.datasets.nyuv2.open_nyuv2` takes it.
    sites
        What is muted: inputs and internal edges; all inputs if empty.
    changes
        Augmentations of whole batches: ``module:function``.
    labelled
        How many training images keep their labels; 0 for all.
    teacher
        The network of the study whose confident predictions stand in for missing labels.
    confidence
        The least probability of such a prediction.
    twin_of
        The joint network whose single-task twin this one is.
    recipe
        How it is trained.
    seed
        Of start, order and random changes.
    """

    name: str
    network: str
    loss: str
    options: dict[str, Any] = field(default_factory=dict)
    loss_options: dict[str, Any] = field(default_factory=dict)
    labels: str = "wang"
    sites: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    labelled: int = 0
    teacher: str = ""
    confidence: float = 0.9
    twin_of: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0


def read_configuration(path: Path) -> dict[str, Plan]:
    """Read the networks of a study, by name.

    Raises
    ------
    InfluenceError
        If the file is no TOML, or a key or its value is not as `Plan` says.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InfluenceError(f"{path} cannot be read as a configuration: {error}") from error
    networks = content.pop("networks", {})
    if not isinstance(networks, dict) or not networks:
        raise InfluenceError(f"{path} names no network: expected a table [networks.NAME]")
    plans = {}
    for name, own in networks.items():
        try:
            plans[name] = _strict(Plan).validate_python({"name": name} | _merged(content, own))
        except pydantic.ValidationError as error:
            raise InfluenceError(f"{path}, network {name!r}: {_told(error)}") from error
    return plans


def make_network(plan: Plan) -> nn.Module:
    """Make the network of a plan, at its random start.

    Raises
    ------
    InfluenceError
        If `plan.options` does not fit the network's `Config`.
    """
    kind = find_object(plan.network)
    try:
        config = _strict(kind.Config).validate_python(plan.options)
    except pydantic.ValidationError as error:
        raise InfluenceError(f"options of network {plan.name!r}: {_told(error)}") from error
    torch.manual_seed(plan.seed)
    network = kind(config)
    assert isinstance(network, nn.Module)
    return network


def find_object(name: str) -> Any:
    """Import ``module:object``; a configuration file is trusted like the code it names."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InfluenceError(f"expected module:object, {name!r} is not there: {error}") from error


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the keys of one network over the common ones; tables key by key."""
    both = dict(common)
    for key, value in own.items():
        old = both.get(key)
        both[key] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _strict(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(pydantic.with_config(pydantic.ConfigDict(extra="forbid"))(kind))


def _told(error: pydantic.ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
