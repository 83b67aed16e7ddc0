"""The panel for one network: the mutes that are asked for, without those not defined for it."""

from __future__ import annotations

from collections.abc import Sequence

from influence.edges import is_edge
from influence.errors import InfluenceError
from influence.muting import Mute, parse_mutes
from influence.network import JointNetwork, Modality

__all__ = ["choose_mutes", "lacking_optimal"]


def choose_mutes(
    names: Sequence[str], network: JointNetwork, sites: Sequence[str], *, training: bool = False
) -> tuple[tuple[Mute, ...], tuple[str, ...]]:
    """Look mutes up, and leave out what ``panel`` stands for and the network has no use for.

    Parameters
    ----------
    names
        As for `influence.muting.parse_mutes`. A mute that is named itself is never left out.
    network, sites
        What is muted where.
    training
        Whether there are data from which to learn what the mute ``optimal`` needs.

    Returns
    -------
    tuple
        The mutes, and one note a mute that was left out.

    Raises
    ------
    InfluenceError
        If ``optimal`` is named, and neither the network's facts nor training data give it.

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
    chosen, notes = [], []
    for mute in parse_mutes(names):
        reason = _undefined(mute, network, sites, training=training)
        if not reason or (mute.name in names and "optimal" not in mute.needs):
            chosen.append(mute)  # a plan refuses what is named and not defined
        elif mute.name in names:
            raise InfluenceError(f"network {network.name!r}: mute {mute.name!r}: {reason}")
        else:
            notes.append(f"mute {mute.name!r} of the panel was left out: {reason}")
    return tuple(chosen), tuple(notes)


def lacking_optimal(network: JointNetwork, sites: Sequence[str]) -> list[str]:
    """List the sites whose optimal constant the network's facts do not hold."""
    known = {m.name for m in network.inputs if m.optimal is not None}
    return [site for site in sites if site not in known]


def _undefined(mute: Mute, network: JointNetwork, sites: Sequence[str], *, training: bool) -> str:
    """Say why a mute cannot be used, if it cannot."""
    known = {m.name: m for m in network.inputs}
    if not any(mute.applies_to(known.get(site, Modality(site))) for site in sites):
        return f"it is for {mute.scope}"
    if "optimal" not in mute.needs:
        return ""
    if edges := [site for site in sites if is_edge(site)]:
        return f"it is for inputs, and {', '.join(edges)} is none"
    if not training and (lacking := lacking_optimal(network, sites)):
        return (
            f"the facts hold no optimal constant of {', '.join(lacking)}. Give training data to "
            "learn it from (training=..., --train FILE), or write it into the checkpoint "
            "(influence optimal)"
        )
    return ""
