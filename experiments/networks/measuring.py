"""Measuring the networks: one run for each of them and each source of the depth it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.networks.evaluation import DEPTH_SOURCES, write_test_file
from experiments.networks.export import export_network
from experiments.networks.study import NetworkStudy
from experiments.networks.trivial import trivial_network
from experiments.training.configuration import Plan, make_config
from influence.measurement.pipeline import measure

__all__ = ["measure_network", "measure_trivial", "run_folder", "sources_of"]

METRICS = {
    "depth": ("hybridnet", "log10"),
    "semantic": ("hybridnet",),
    "arora": ("arora", "hybridnet"),
}
"""The metrics of each output; `arora` instead of `semantic` for the label sets of Arora et al."""


def sources_of(plan: Plan) -> tuple[str, ...]:
    """Return the sources of the depth that a network is measured with; one if it takes none."""
    return DEPTH_SOURCES if "depth" in make_config(plan).inputs else DEPTH_SOURCES[:1]


def run_folder(study: NetworkStudy, name: str, source: str = "true") -> Path:
    """Return the folder of one run."""
    return study.work / "measured" / (f"{name}-{source}" if source != "true" else name)


def measure_network(study: NetworkStudy, name: str, options: Sequence[str] = ()) -> None:
    """Measure a trained network with every source of the depth; options go to the command."""
    from influence.cli import main

    plan = study.plan(name)
    checkpoint = export_network(study, name)
    outputs = make_config(plan).outputs
    asked = [f"{output}={metric}" for output in outputs for metric in _metrics(plan.labels, output)]
    for source in sources_of(plan):
        data = write_test_file(study, plan.labels, source)
        arguments = ["measure", str(checkpoint), "--data", str(data), "--mute", plan.mutes]
        for site in plan.sites:
            arguments += ["--site", site]
        for metric in asked:
            arguments += ["--metric", metric]
        out = run_folder(study, name, source)
        main([*arguments, "--out", str(out), *options], standalone_mode=False)


def measure_trivial(study: NetworkStudy, labels: str) -> None:
    """Measure the trivial predictor of a label set; its mute changes nothing."""
    asked = {output: _metrics(labels, output) for output in ("depth", "semantic")}
    data = write_test_file(study, labels, "true")
    network = trivial_network(study, labels)
    run = measure(network, data, metrics=asked, mutes=["zero"], meeting="off")
    run.write(run_folder(study, network.name))


def _metrics(labels: str, output: str) -> tuple[str, ...]:
    special = output == "semantic" and labels.startswith("arora")
    return METRICS["arora" if special else output]
