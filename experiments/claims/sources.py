"""Sources: from the runs of the sweep, and from the printed tables, to worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.claims.draws import Designs, Quantity, Score, draw_scores
from experiments.claims.judgement import asymmetry, balance, relative
from experiments.claims.worlds import Measured, Printed
from experiments.publishing.published import DEPTH, NETWORKS, PUBLISHED, SEMANTIC
from experiments.sweep.members import test_file
from experiments.sweep.study import Condition, Design, Sweep
from experiments.training.evaluation_data import input_network
from influence.display.notation import display_of
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.metrics.registry import METRICS
from influence.results.run_directory import read_rows
from influence.results.tables import read_table
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows, match_samples

__all__ = ["PRIMARY", "Trained", "find_networks", "input_rows", "measured_worlds", "printed_world"]

Array = NDArray[np.float64]

PRIMARY: Mapping[str, str] = {"semantic": "mean_iou", "depth": "sqr_rel"}
"""Target -> the metric of the paper's Fig. 7."""

TABLE: tuple[Score, ...] = tuple(
    sorted(
        [Score("depth", metric) for metric in DEPTH.values()]
        + [Score("semantic", metric) for metric in SEMANTIC.values()],
        key=lambda score: PRIMARY[score.target] != score.metric,
    )
)
"""The ten metrics of the paper's Table I, those of Fig. 7 first."""

MUTES = ("zero", "shuffle", "mean", "noise", "uniform")
MOST_CHANNELS = 60


@dataclass(frozen=True)
class Trained:
    """One network of the sweep, and where its rows lie."""

    name: str
    seed: int
    label: str
    design: Design
    rows: Path


def find_networks(sweep: Sweep, condition: Condition, *, partial: bool = False) -> list[Trained]:
    """List the networks of a condition that have been measured.

    Raises
    ------
    InfluenceError
        If some have not been, unless `partial`.
    """
    members = [member for member in sweep.members() if member.condition == condition]
    folders = {member: sweep.run_folder(member) for member in members}
    missing = [m.place for m, folder in folders.items() if not (folder / "run.json").is_file()]
    if missing and not partial:
        raise InfluenceError(
            f"expected {len(members)} measured networks with {condition} inputs; missing: "
            f"{', '.join(missing)}. Run python -m experiments.sweep measure, or give --partial"
        )
    return [
        Trained(member.name, member.seed, member.label, member.design, folder / "rows.h5")
        for member, folder in folders.items()
        if member.place not in missing
    ]


def input_rows(sweep: Sweep) -> Rows:
    """Score the inputs of the networks, measured once as a network that hands them through."""
    folder = sweep.work / "measured" / "inputs"
    if not (folder / "run.json").is_file():
        data = test_file(sweep)
        measure(input_network(data), data, mutes=["zero"]).write(folder)
    return read_rows(folder / "rows.h5")["input"]


def measured_worlds(
    condition: str, networks: Sequence[Trained], inputs: Rows, resampling: Resampling
) -> Iterator[Measured]:
    """Draw all networks of a condition, and yield a world for each mute of both sources.

    Raises
    ------
    InfluenceError
        If the networks were not measured on the same samples.
    """
    scores = [*TABLE, *(Score(*item, mute) for item in PRIMARY.items() for mute in MUTES)]
    rows = [read_rows(own.rows)[own.name] for own in networks]
    drawn = draw_scores(rows, scores, resampling)
    given = draw_scores([match_samples(inputs, rows[0])], TABLE, resampling)
    units = int(rows[0].drawn_together.max()) + 1
    designs = Designs(tuple(own.label for own in networks), resampling, units)
    facts = {name: _constant(values, drawn[TABLE[0]]) for name, values in _facts(networks).items()}
    for mute in MUTES:
        quantities = facts | _quantities(drawn, given, mute)
        if "balance" in quantities:
            yield Measured(
                condition,
                mute,
                designs,
                quantities,
                np.stack([drawn[score].whole for score in TABLE], axis=-1),
                np.stack([given[score].whole for score in TABLE], axis=-1),
            )


def _quantities(
    drawn: Mapping[Score, Quantity], given: Mapping[Score, Quantity], mute: str
) -> dict[str, Quantity]:
    """Return what the claims are about; without balance where one source lacks the mute."""
    found: dict[str, Quantity] = {}
    shares = []
    for target, metric in PRIMARY.items():
        full, muted = Score(target, metric), Score(target, metric, mute)
        found[f"performance:{target}"] = drawn[full]
        found[f"gain:{target}"] = drawn[full] - given[full]
        if muted not in drawn:
            return found
        found[f"muted:{target}"] = drawn[muted]
        omega = found[f"omega:{target}"] = drawn[full] - drawn[muted]
        share = omega.combine(lambda w, a, target=target: relative(w, a, target), drawn[full])
        found[f"relative:{target}"] = share
        shares.append(share)
    one, other = shares
    return found | {
        "balance": one.combine(balance, other),
        "asymmetry": one.combine(asymmetry, other),
    }


def _facts(networks: Sequence[Trained]) -> dict[str, Array]:
    """Return what is fixed about the design of each network, as numbers."""
    designs = [own.design for own in networks]
    return {
        "halvings": np.log2([MOST_CHANNELS / design.channels for design in designs]),
        "channels": np.array([float(design.channels) for design in designs]),
        "fusion": np.array([float(design.fusion == "sum") for design in designs]),
        "features": np.array([float(design.features) for design in designs]),
    }


def _constant(values: Array, like: Quantity) -> Quantity:
    return like.combine(lambda old: np.broadcast_to(values, old.shape))


def printed_world(networks: Mapping[str, Design], folder: Path = PUBLISHED) -> Printed:
    """Return the world of the paper's Table I and Fig. 7.

    Parameters
    ----------
    networks
        Name of each network -> its design.
    """
    influence = read_table(folder / "influence.csv", "influence")
    omega = influence.pivot(index="network", columns="target", values="omega").loc[list(networks)]
    printed = pd.read_csv(folder / "jrn_table1.csv", dtype=str)
    printed = printed.set_index(printed["model"].map(NETWORKS)).drop(columns="model")
    values, half = (_shown(printed, read) for read in (float, _half_unit))
    performance, inputs = values.loc[list(networks)].to_numpy(), values.loc["input"].to_numpy()
    quantities: dict[str, Array] = {}
    for target, metric in PRIMARY.items():
        place = list(values).index(metric)
        quantities[f"performance:{target}"] = performance[:, place]
        quantities[f"gain:{target}"] = performance[:, place] - inputs[place]
        own = omega[target].to_numpy() * display_of(metric).gain
        quantities[f"omega:{target}"] = own
        quantities[f"muted:{target}"] = performance[:, place] - own
        quantities[f"relative:{target}"] = relative(own, performance[:, place], target)
    both = [quantities[f"relative:{target}"] for target in PRIMARY]
    quantities |= {"balance": balance(*both), "asymmetry": asymmetry(*both)}
    designs = [Trained(name, 0, name, design, folder) for name, design in networks.items()]
    return Printed(
        "published", "unstated", tuple(networks), quantities | _facts(designs),
        performance, inputs, np.abs(half.loc[list(networks)].to_numpy()),
        np.abs(half.loc["input"].to_numpy()),
    )  # fmt: skip


def _shown(printed: pd.DataFrame, read: Callable[[str], float]) -> pd.DataFrame:
    """Turn printed strings into oriented performances, as large as omega is shown."""
    columns = {metric: column for column, metric in {**DEPTH, **SEMANTIC}.items()}
    found = {}
    for score in TABLE:
        display, metric = display_of(score.metric), METRICS[score.metric]
        numbers = printed[columns[score.metric]].map(read).to_numpy(np.float64)
        found[score.metric] = metric.oriented(numbers * display.gain / display.factor)
    return pd.DataFrame(found, index=printed.index)


def _half_unit(text: str) -> float:
    """Return half a unit of the last digit of a printed number."""
    return float(0.5 * 10.0 ** -len(text.partition(".")[2]))
