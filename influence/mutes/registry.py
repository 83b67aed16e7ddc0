"""Registry of mutes: the mutes of the library by name, and the choice of those that a run uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError, unknown
from influence.mutes.mute import NUMBERS, Mute, SiteTensor
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import is_edge
from influence.runtime.factories import is_factory, make
from influence.runtime.values import Values

__all__ = ["MUTES", "PANEL", "choose_mutes", "lacking_optimal", "parse_mute", "parse_mutes"]


def _fact(name: str) -> Callable[[SiteTensor], Tensor]:
    # A network may call view() on its input or change it in place.
    return lambda site: site.per_channel(name).clone(memory_format=torch.contiguous_format)


def _tensor(site: SiteTensor) -> Tensor:
    assert isinstance(site.values, Tensor), "the engine calls a mute for each entry of a list"
    return site.values


def _uniform(site: SiteTensor) -> Tensor:
    values = _tensor(site)
    probability = 1.0 / values.shape[1] if site.modality.kind == "probabilities" else 0.0
    return torch.full_like(values, probability)


def _shuffle(site: SiteTensor) -> Values:
    assert site.partners is not None, "the engine fills in the partners"
    return site.partners


def _noise(site: SiteTensor) -> Tensor:
    values = _tensor(site)
    shape = values.shape[1:]
    stream = crc32(f"noise {site.modality.name}".encode())
    draws = np.stack(
        [
            np.random.Generator(np.random.Philox([site.seed, stream, int(i)])).standard_normal(
                shape, dtype=np.float32
            )
            for i in site.indices
        ]
    )
    noise = torch.from_numpy(draws).to(values.device)
    mean, std = (site.per_channel(fact).to(noise) for fact in ("mean", "std"))
    noise = mean + noise * std
    if not values.is_floating_point():
        limits = torch.iinfo(values.dtype)
        noise = noise.round().clamp(limits.min, limits.max)
    noise = noise.to(values.dtype)
    if site.modality.kind == "depth":
        return noise.clamp(min=0)
    if site.modality.kind == "probabilities":
        noise = noise.clamp(min=1e-6)
        return noise / noise.sum(dim=1, keepdim=True)
    return noise


def _empty(site: SiteTensor) -> Values:
    """Empty tokens, points or a text, and with the tokens the masks that belong to them."""
    values, first = site.values, site.first
    if isinstance(values, list):
        return [value[:0] for value in values]
    if site.modality.kind != "tokens":
        return torch.zeros_like(values)
    ids = values if first is None else first
    assert isinstance(ids, Tensor), "tokens are a tensor"
    kept = torch.isin(ids, torch.tensor(site.modality.keep, device=ids.device, dtype=ids.dtype))
    if first is None:
        return torch.where(kept, values, torch.full_like(values, site.modality.pad))
    nothing = torch.zeros_like(values)
    return torch.where(kept, values, nothing) if values.shape == kept.shape else nothing


def _mask(site: SiteTensor) -> Tensor:
    """Replace every token by the mask token, except padding and what is kept."""
    values, facts = _tensor(site), site.modality
    assert facts.mask is not None, "a plan refuses the mute without it"
    stays = torch.tensor([*facts.keep, facts.pad], device=values.device, dtype=values.dtype)
    return torch.where(torch.isin(values, stays), values, torch.full_like(values, facts.mask))


def _absent(site: SiteTensor) -> Tensor:
    raise AssertionError(f"the engine passes None instead of {site.modality.name!r}")


SHUFFLES = {
    "shuffle": "another sample's input, by one seeded derangement of the whole set",
    "shuffle:groups": "the input of another sample of the same group, such as a scene",
    "shuffle:neighbours": (
        "the input of a sample that is near by all inputs, so that what is shown together could be "
        "real; it costs one more read of the inputs"
    ),
}
"""The kinds of shuffle, by the name of the mute."""

MUTES: dict[str, Mute] = {
    mute.name: mute
    for mute in (
        Mute(
            "zero",
            lambda site: torch.zeros_like(_tensor(site)),
            "zeros, as in the paper; far from the data for most inputs",
            kinds=NUMBERS | {"integers", "mask"},
            constant=True,
        ),
        Mute(
            "mean",
            _fact("mean"),
            "the mean over the training set, one number per channel; for probabilities this is "
            "the prior",
            kinds=NUMBERS,
            needs=frozenset({"mean"}),
            constant=True,
        ),
        Mute(
            "uniform",
            _uniform,
            "the uniform distribution: 1/k, or zero logits",
            kinds=frozenset({"probabilities", "logits"}),
            constant=True,
        ),
        *(
            Mute(name, _shuffle, summary, needs=frozenset({"partners"}), whole=True)
            for name, summary in SHUFFLES.items()
        ),
        Mute(
            "noise",
            _noise,
            "white noise with the mean and deviation of each channel of the training set "
            "(depth: not below zero; probabilities: made to sum to one)",
            kinds=NUMBERS,
            needs=frozenset({"mean", "std"}),
        ),
        Mute(
            "optimal",
            _fact("optimal"),
            "the constant with the smallest loss, one number per channel, learned on training data",
            kinds=NUMBERS,
            needs=frozenset({"optimal"}),
            constant=True,
        ),
        Mute(
            "empty",
            _empty,
            "no tokens, points or text: padding in place of tokens, with their masks set to zero",
            kinds=frozenset({"tokens", "points", "text"}),
            whole=True,
        ),
        Mute(
            "mask",
            _mask,
            "the mask token in place of every token, except padding and those to keep",
            kinds=frozenset({"tokens"}),
        ),
        Mute(
            "mode",
            _fact("mode"),
            "the most frequent value, of each column of a table",
            kinds=frozenset({"categories", "integers", "mask"}),
            needs=frozenset({"mode"}),
            constant=True,
        ),
        Mute(
            "absent",
            _absent,
            "None in place of a tensor, for networks that accept it; no work is shared",
            absent=True,
        ),
    )
}
"""The mutes by name; ``constant:VALUE`` is made by `parse_mute`."""

PANEL = ("zero", "mean", "uniform", "shuffle", "noise", "optimal", "empty", "mode")
"""The mutes that ``panel`` selects; a result that holds under all is not an artefact of one."""

DEFAULT = ("zero", "mean", "empty", "mode")
"""The mutes that are used if none is named, each for the kinds of input for which it is defined."""

OF_KINDS = ("empty", "mode")
"""The mutes of `PANEL` and `DEFAULT` that are for special kinds, and left out without a note."""


def parse_mute(text: str | Mute) -> Mute:
    """Look up a mute by name, make one from ``constant:VALUE``, or import ``module:name``.

    Raises
    ------
    InfluenceError
        If no mute has this name, or VALUE is not a finite number.

    Examples
    --------
    >>> site = SiteTensor(torch.ones(1, 2), Modality("x"), np.array([0]))
    >>> parse_mute("constant:0.5").replace(site).tolist()
    [[0.5, 0.5]]
    """
    if isinstance(text, Mute):
        return text
    name, _, value = text.partition(":")
    if name == "constant":
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise InfluenceError(f"mute {text!r}: expected constant:VALUE, such as constant:0.5")
        return Mute(
            f"constant:{number:g}",
            lambda site: torch.full_like(_tensor(site), number),
            f"the value {number:g} everywhere",
            kinds=NUMBERS | {"integers", "tokens", "categories", "mask"},
            constant=True,
        )
    if text in MUTES:
        return MUTES[text]
    if not is_factory(text):
        raise unknown("mute", text, [*MUTES, "constant:VALUE", "module:name", "panel"])
    found = make(text)
    if not isinstance(found, Mute):
        raise InfluenceError(
            f"mute {text!r} is a {type(found).__name__}, expected a function under @influence.mute"
        )
    return found


def parse_mutes(names: Iterable[str | Mute]) -> list[Mute]:
    """Look up several mutes; ``panel`` selects all mutes of `PANEL`.

    Raises
    ------
    InfluenceError
        If no mute is given, one is unknown or named twice, or there are several kinds of shuffle.

    Examples
    --------
    >>> [m.name for m in parse_mutes(["zero", "mean"])]
    ['zero', 'mean']
    >>> [m.name for m in parse_mutes(["mean", "panel"])]
    ['mean', 'zero', 'uniform', 'shuffle', 'noise', 'optimal', 'empty', 'mode']
    """
    mutes = [parse_mute(name) for name in _expanded(list(names))]
    if not mutes:
        raise InfluenceError(f"expected one mute or more, got none. Known: {', '.join(MUTES)}")
    if len({m.name for m in mutes}) < len(mutes):
        raise InfluenceError(f"expected mutes that differ, got {[m.name for m in mutes]}")
    kinds = [mute.name for mute in mutes if "partners" in mute.needs]
    if len(kinds) > 1:
        raise InfluenceError(
            f"expected one kind of shuffle in a run, got {' and '.join(kinds)}, which read the "
            "samples in different orders. Measure one run for each"
        )
    return mutes


def _expanded(names: Sequence[str | Mute]) -> list[str | Mute]:
    """Replace ``panel`` by its mutes, except those that are named in addition to it.

    If another kind of shuffle is named, the panel's shuffle is left out.
    """
    texts = [name for name in names if isinstance(name, str)]
    beside = {name.partition(":")[0] if name in MUTES else name for name in texts}
    panel = [name for name in PANEL if name not in beside]
    return [mute for name in names for mute in (panel if name == "panel" else [name])]


def choose_mutes(
    names: Sequence[str | Mute] | None,
    network: JointNetwork,
    sites: Sequence[str],
    *,
    training: bool = False,
) -> tuple[tuple[Mute, ...], tuple[str, ...]]:
    """Look up mutes, leaving out those of ``panel`` that are not defined for the network.

    Parameters
    ----------
    names
        Names as for `parse_mutes`. A mute that is named explicitly is never left out. By default
        the mutes of `DEFAULT` that are defined for the network.
    network, sites
        The network, and its sites to mute.
    training
        Whether training data are given, from which the constants of ``optimal`` can be learned.

    Returns
    -------
    tuple
        The mutes, and one note for each mute that was left out.

    Raises
    ------
    InfluenceError
        If ``optimal`` is named, but its constants are not in the network's facts and cannot be
        learned without training data.

    Examples
    --------
    >>> import torch
    >>> network = JointNetwork(torch.nn.Identity(), inputs=("x", "y"), outputs=("z",))
    >>> mutes, notes = choose_mutes(["panel"], network, ["x", "y"])
    >>> [mute.name for mute in mutes]
    ['zero', 'mean', 'shuffle', 'noise']
    >>> notes[0]
    "mute 'uniform' of the panel was left out: it is for inputs of kind logits or probabilities"
    """
    named = [] if names is None else [name for name in names if name != "panel"]
    chosen, notes = [], []
    for mute in parse_mutes(DEFAULT if names is None else names):
        reason = _undefined(mute, network, sites, training=training)
        explicit = mute.name in named or mute in named
        if not reason or (explicit and "optimal" not in mute.needs):
            chosen.append(mute)  # a plan raises an error for a named mute that is not defined
        elif explicit:
            raise InfluenceError(f"network {network.name!r}: mute {mute.name!r}: {reason}")
        elif names is not None and mute.name not in OF_KINDS:
            notes.append(f"mute {mute.name!r} of the panel was left out: {reason}")
    known = {m.name: m for m in network.inputs}
    muted = [known.get(site, Modality(site)) for site in sites]
    if not any(mute.applies_to(modality) for mute in chosen for modality in muted):
        return tuple(chosen), tuple(notes)  # a plan refuses them
    for site, modality in zip(sites, muted, strict=True):
        left = [mute.name for mute in chosen if not mute.applies_to(modality)]
        special = modality.kind not in NUMBERS and set(left) - set(OF_KINDS)
        if len(left) == len(chosen) or (names is not None and special):
            notes.append(
                f"{site!r} of kind {modality.kind} is not muted by {', '.join(left)}; defined for "
                f"it: {', '.join(name for name, m in MUTES.items() if m.applies_to(modality))}"
            )
        if modality.kind == "integers":
            notes.append(
                f"{site!r} holds integers of unknown meaning, which have no mean. Declare what "
                f"they are: Modality({site!r}, kind), with kind 'tokens', 'categories' or 'image'"
            )
    return tuple(chosen), tuple(notes)


def lacking_optimal(network: JointNetwork, sites: Sequence[str]) -> list[str]:
    """List the sites that hold numbers and whose optimal constant is not in the network's facts.

    >>> from torch import nn
    >>> inputs = [Modality("rgb", "image"), Modality("text", "tokens")]
    >>> lacking_optimal(JointNetwork(nn.Identity(), inputs, ["y"]), ["rgb", "text"])
    ['rgb']
    """
    known = {m.name: m for m in network.inputs}
    lacking = [known.get(site, Modality(site)) for site in sites]
    return [m.name for m in lacking if m.optimal is None and m.kind in NUMBERS]


def _undefined(mute: Mute, network: JointNetwork, sites: Sequence[str], *, training: bool) -> str:
    """Return why a mute cannot be used; empty if it can be used."""
    known = {m.name: m for m in network.inputs}
    if not any(mute.applies_to(known.get(site, Modality(site))) for site in sites):
        return f"it is for {mute.scope}"
    if "optimal" not in mute.needs:
        return ""
    if edges := [site for site in sites if is_edge(site)]:
        return f"it is for inputs, not for edges such as {edges[0]}"
    if not training and (lacking := lacking_optimal(network, sites)):
        return (
            f"the facts hold no optimal constant of {', '.join(lacking)}. Give training data to "
            "learn it from, training=..., or write it into the checkpoint (influence optimal)"
        )
    return ""
