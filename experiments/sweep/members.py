"""Members: each network of the sweep is trained, measured, and gathered into published tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from experiments.publishing.files import write_csv
from experiments.sweep.study import CONDITIONS, Condition, Member, Sweep
from experiments.training.evaluation_data import input_scores, write_set
from experiments.training.fitting import fit, publish_weights
from experiments.training.joint import PredictedMaps, joint_network
from experiments.training.network_training import NetworkTraining
from experiments.training.report_tables import METRICS, TABLES, gather_losses, published_rows
from experiments.training.single_task import Moments, input_statistics, predict_split
from experiments.training.study import load_split
from influence.analysis.estimates import CELL, estimate_table, read_estimates
from influence.analysis.seeds import SEEDS_COLUMNS, aggregate_seeds
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.results.tables import read_tables
from influence.runtime.files import replace_on_success
from models.jrn import JRN, jrn_loss

__all__ = [
    "gather_designs",
    "gather_facts",
    "gather_histories",
    "gather_seeds",
    "gather_tables",
    "measure_member",
    "score_training_inputs",
    "test_file",
    "train_member",
    "write_statistics",
]


def train_member(sweep: Sweep, member: Member) -> Path:
    """Train a network, or go on, or do nothing if it is there; keep its weights."""
    study = sweep.inputs(member.condition)
    arrays = load_split(study, "train")
    maps = predict_split(study, "train")
    torch.manual_seed(member.seed)
    config = sweep.config(member, classes=len(arrays.classes))
    recipe = sweep.settings.recipe
    fit(
        NetworkTraining(
            JRN(config), jrn_loss, recipe, inputs=["depth", "semantic"], seed=member.seed
        ),
        PredictedMaps(arrays, maps, recipe),
        sweep.folder(member),
        facts={"config": str(config), "data": arrays.digest, "inputs": list(maps.networks)},
    )
    return publish_weights(sweep.folder(member) / "weights.safetensors", sweep.weights_path(member))


def write_statistics(sweep: Sweep, condition: Condition) -> Path:
    """Write mean and deviation of the training inputs, for the mutes, beside the weights."""
    path = sweep.statistics_path(condition)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        text = json.dumps(input_statistics(sweep.inputs(condition)), indent=1)
        aside.write_text(text + "\n", encoding="utf-8")
    return path


def gather_histories(sweep: Sweep) -> Path:
    """Put the losses of all epochs together; networks that were not trained here keep theirs."""
    runs = [
        ({"network": member.name, "seed": member.seed}, sweep.folder(member))
        for member in sweep.members()
    ]
    return gather_losses(sweep.reports / "training.csv", runs)


MUTES = ("zero", "mean", "uniform", "shuffle", "noise")
"""The panel without `optimal`, whose constants would have to be learned for every network."""

TRAINED_ON = "NYU-Depth v2, 795 official training images at 160x120, {} predictions"


def test_file(sweep: Sweep) -> Path:
    """Write the evaluation file, if it is not there: one for all networks."""
    path = sweep.work / "test.h5"
    if not path.is_file():
        write_set(sweep.inputs("cross-fitted"), "test", path)
    return path


def score_training_inputs(sweep: Sweep) -> Path:
    """Write how good the training inputs of both conditions are; compare ``inputs.csv``."""
    frames = []
    for condition in CONDITIONS:
        path = sweep.work / condition / "train.h5"
        if not path.is_file():
            write_set(sweep.inputs(condition), "train", path)
        frames.append(input_scores(path).assign(network=f"{condition} input"))
    return write_csv(pd.concat(frames), sweep.reports / "training_inputs.csv", digits=8)


def load_member(sweep: Sweep, member: Member, classes: tuple[str, ...]) -> JointNetwork:
    """Read a network from its trained weights."""
    torch.manual_seed(member.seed)
    config = sweep.config(member, classes=len(classes))
    network = joint_network(
        JRN(config),
        _statistics(sweep, member.condition),
        classes,
        seed=member.seed,
        trained_on=TRAINED_ON.format(member.condition),
        notes=f"{config} {sweep.settings.recipe}",
    )
    return load_checkpoint(sweep.weights_path(member), network)


def measure_member(sweep: Sweep, member: Member, anew: bool = False) -> Path:
    """Measure one network; do nothing if that was done, unless `anew`."""
    folder = sweep.run_folder(member)
    if anew or not (folder / "run.json").is_file():
        path = test_file(sweep)
        classes = EvaluationFile(path).targets["semantic"].classes
        run = measure(
            load_member(sweep, member, classes),
            path,
            levels="depth=2,4",
            mutes=MUTES,
            interactions=True,
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        run.write(folder)
        print(f"measured {member.place}", flush=True)
    return folder


def _statistics(sweep: Sweep, condition: Condition) -> dict[str, Moments]:
    path = sweep.statistics_path(condition)
    if not path.is_file():
        raise InfluenceError(
            f"expected the statistics of the training inputs at {path}. "
            "Run `python -m experiments.sweep train`"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: (tuple(mean), tuple(std)) for name, (mean, std) in content.items()}


DIGITS = 8


def gather_tables(sweep: Sweep) -> Iterator[Path]:
    """Put the published rows of all runs together.

    Raises
    ------
    InfluenceError
        If a network has not been measured.
    """
    folders = measured(sweep, sweep.choose(()))
    for name in TABLES:
        frame = read_tables(folders, name, optional=name == "distance")
        if len(frame):
            yield write_csv(published_rows(frame), sweep.reports / f"{name}.csv", digits=DIGITS)


def gather_seeds(sweep: Sweep) -> Iterator[Path]:
    """Put the seeds of each network together, with what training adds to the uncertainty.

    Omegas are drawn anew from the rows. Of performance and interactions only the intervals are
    known; what differs between seeds is then put down to training, see `aggregate_seeds`.
    """
    folders = measured(sweep, sweep.choose(()))
    omegas = aggregate_seeds(read_estimates(folders, METRICS))
    yield write_csv(published_rows(omegas), sweep.reports / "seeds.csv", digits=DIGITS)
    plain = published_rows(read_tables(folders, "performance")).drop(columns="mute")
    interactions = published_rows(read_tables(folders, "interactions"))
    for frame, name, stand_ins in (
        (plain, "performance", {"setup": "mute"}),
        (interactions, "interactions", {"kind": "source", "players": "unit"}),
    ):
        table = _aggregated(frame, stand_ins)
        yield write_csv(table, sweep.reports / f"{name}_seeds.csv", digits=DIGITS)


def _aggregated(frame: pd.DataFrame, stand_ins: dict[str, str]) -> pd.DataFrame:
    """Aggregate the seeds of another quantity than omega.

    `stand_ins` says in which column of an omega's a column of the frame goes through.
    """
    shape = {name: "" for name in SEEDS_COLUMNS if name in CELL} | {"higher_is_better": True}
    lacking = {name: value for name, value in shape.items() if name not in frame}
    columns = stand_ins | {"value": "omega", "low": "omega_low", "high": "omega_high"}
    lacking = {name: value for name, value in lacking.items() if name not in columns.values()}
    table = aggregate_seeds(estimate_table(frame.rename(columns=columns).assign(**lacking)))
    back = {new: old for old, new in stand_ins.items()} | {"omega": "value"}
    return table.drop(columns=list(lacking)).rename(columns=back)


def gather_designs(sweep: Sweep) -> Path:
    """Write what tells the networks apart, so that a reader of the tables need not guess."""
    rows = [
        {
            "network": member.name,
            "seed": member.seed,
            "design": member.label,
            "condition": member.condition,
            "fusion": member.design.fusion,
            "fused_channels": member.design.fused,
            "channels": member.design.channels,
        }
        for member in sweep.members()
    ]
    return write_csv(pd.DataFrame(rows), sweep.reports / "designs.csv", digits=DIGITS)


def gather_facts(sweep: Sweep) -> Path:
    """Write how all networks were measured: what their runs say, networks put together."""
    members = sweep.choose(())
    infos = [json.loads((x / "run.json").read_text()) for x in measured(sweep, members)]
    together: dict[str, Any] = infos[0] | {
        "measured": infos[0]["measured"]
        | {"networks": [network for info in infos for network in info["measured"]["networks"]]},
        "notes": {key: notes for info in infos for key, notes in info["notes"].items()},
        "paths": {key: path for info in infos for key, path in info["paths"].items()},
        "seconds": {
            stage: round(sum(info["seconds"][stage] for info in infos), 3)
            for stage in infos[0]["seconds"]
        },
    }
    together.pop("samples_per_second", None)
    path = sweep.reports / "run.json"
    with replace_on_success(path) as aside:
        aside.write_text(json.dumps(together, indent=1) + "\n", encoding="utf-8")
    return path


def measured(sweep: Sweep, members: Sequence[Member]) -> list[Path]:
    """Return the run directories of networks.

    Raises
    ------
    InfluenceError
        If one has not been measured.
    """
    lacking = [x.place for x in members if not (sweep.run_folder(x) / "run.json").is_file()]
    if lacking:
        raise InfluenceError(
            f"{len(lacking)} of {len(members)} networks are not measured: {', '.join(lacking)}. "
            "Run `python -m experiments.sweep measure`"
        )
    return [sweep.run_folder(member) for member in members]
