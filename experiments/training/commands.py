"""The command line of a study: one command per step, each of which can be repeated or resumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from experiments.training.study import TASKS, Study
from influence.errors import InfluenceError

__all__ = ["JOBS", "in_parallel", "study_commands"]

ASKED = ["--mute", "panel", "--by", "depth=2,4,region", "--interactions"]
"""What is measured in every study; the Makefile asks the same of the rooms."""
JOBS = click.option(
    "--jobs", default=1, show_default=True, help="Trainings at once, each in one process."
)
EPOCHS = click.option(
    "--epochs", type=click.IntRange(min=1), help="Epochs, instead of the study's own number."
)


def study_commands(
    open_study: Callable[..., Study], *, test_set: Path, compact: bool
) -> click.Group:
    """Build the commands of a study.

    Parameters
    ----------
    open_study
        Called with the options --data and --work, gives the study.
    test_set
        Where the evaluation file goes; a relative path is taken from the work folder.
    compact
        Whether the evaluation file is published; see `write_set`.
    """

    @click.group()
    @click.option("--data", help="The folder of the images.")
    @click.option("--work", type=click.Path(path_type=Path), help="The folder for caches.")
    @click.pass_context
    def steps(context: click.Context, data: str | None, work: Path | None) -> None:
        context.obj = open_study(data=data, work=work)

    @steps.command()
    @click.option("--task", "tasks", multiple=True, type=click.Choice(TASKS), default=TASKS)
    @click.option("--part", "parts", multiple=True, help="full, fold0, ...; all by default.")
    @EPOCHS
    @JOBS
    @click.pass_obj
    def train_single_task(
        study: Study, tasks: tuple[str, ...], parts: tuple[str, ...], epochs: int | None, jobs: int
    ) -> None:
        """Train the depth and the segmentation network, and those of the folds."""
        from experiments.training.single_task import parts_of, train_single_task

        if epochs:
            study = replace(study, single_task=replace(study.single_task, epochs=epochs))
        work = [(study, task, part) for part in parts or parts_of(study) for task in tasks]
        in_parallel(train_single_task, work, jobs)

    @steps.command()
    @click.pass_obj
    def predict(study: Study) -> None:
        """Predict the training images (cross-fitted) and the test images."""
        from experiments.training.single_task import predict_split

        for split in ("train", "test"):
            count = len(predict_split(study, split).ids)
            click.echo(f"{study.name} {split}: {count} images predicted")

    @steps.command()
    @click.option(
        "--variant", "variants", multiple=True, help="cat60, ...; all of the study by default."
    )
    @EPOCHS
    @JOBS
    @click.pass_obj
    def train_jrn(study: Study, variants: tuple[str, ...], epochs: int | None, jobs: int) -> None:
        """Train the joint refinement networks."""
        from experiments.training.joint import train_joint

        if epochs:
            study = replace(study, joint=replace(study.joint, epochs=epochs))
        work = [(study, variant) for variant in variants or study.variants]
        in_parallel(train_joint, work, jobs)

    @steps.command()
    @click.pass_obj
    def export(study: Study) -> None:
        """Publish checkpoints, single-task weights and the histories of the losses."""
        from experiments.training.joint import export_histories, export_joint, export_weights

        for task in TASKS:
            click.echo(export_weights(study, task))
        for variant in study.variants:
            click.echo(export_joint(study, variant))
        click.echo(export_histories(study))

    @steps.command()
    @click.pass_obj
    def evaluation_file(study: Study) -> None:
        """Write the evaluation file of the test images; needs weights and data, no training."""
        from experiments.training.evaluation_data import write_set

        write_set(study, "test", study.work / test_set, compact=compact)
        click.echo(study.work / test_set)

    @steps.command()
    @click.pass_obj
    def learn_optimal(study: Study) -> None:
        """Learn the constants of the mute 'optimal' on the training images, into checkpoints."""
        from experiments.training.evaluation_data import write_set
        from experiments.training.joint import checkpoint_path
        from influence.mutes.optimal import learn_optimal
        from influence.network.checkpoints import load_checkpoint, refill_checkpoint

        write_set(study, "train", study.work / "train.h5")
        for variant in study.variants:
            path = checkpoint_path(study, variant)
            found = learn_optimal(load_checkpoint(path), study.work / "train.h5", progress=True)
            filled = path.with_name(f"{path.stem}-optimal{path.suffix}")
            refill_checkpoint(path, filled, found)
            filled.replace(path)
            click.echo(f"{path}: {found}")

    @steps.command()
    @click.pass_obj
    def score_inputs(study: Study) -> None:
        """Score the inputs themselves against the ground truth of the evaluation file."""
        from experiments.publishing.files import write_csv
        from experiments.training.evaluation_data import input_scores

        scores = input_scores(study.work / test_set)
        click.echo(write_csv(scores, study.reports / "inputs.csv"))

    @steps.command()
    @click.option("--variant", default="sum60", show_default=True, help="The joint network.")
    @click.option("--top", default=2, show_default=True, type=click.IntRange(min=1))
    @click.option("--out", type=click.Path(path_type=Path), help="The folder of the figures.")
    @click.pass_obj
    def panels(study: Study, variant: str, top: int, out: Path | None) -> None:
        """Draw the samples that each modality helped and hurt most in the run of the study."""
        from experiments.training.panels import write_panels

        # Pictures that may not be published stay out of the folder of the tables.
        folder = out or (study.reports if compact else study.work / "panels")
        if not compact and folder.resolve().is_relative_to(study.reports.parent.resolve()):
            raise InfluenceError(f"{folder}: these pictures may not be published. Choose another")
        test = study.work / test_set
        for path in write_panels(study, test, folder, variant=variant, top=top):
            click.echo(path)

    @steps.command(context_settings={"ignore_unknown_options": True})
    @click.argument("options", nargs=-1, type=click.UNPROCESSED)
    @click.pass_obj
    def measure(study: Study, options: tuple[str, ...]) -> None:
        """Measure the joint networks; further options go to `influence measure`."""
        from experiments.training.joint import checkpoint_path
        from influence.cli import main

        checkpoints = [str(checkpoint_path(study, variant)) for variant in study.variants]
        data = ["--data", str(study.work / test_set), "--out", str(study.measured)]
        main(["measure", *checkpoints, *data, *ASKED, *options])

    @steps.command()
    @click.pass_obj
    def publish(study: Study) -> None:
        """Write what READMEs and pages show of the measurement into the folder of the report."""
        from experiments.training.report_tables import publish_run

        for path in publish_run(study.measured, study.reports):
            click.echo(path)

    return steps


def in_parallel(train: Callable[..., Any], work: Iterable[tuple[Any, ...]], jobs: int) -> None:
    """Call `train` with each tuple. Several single-threaded processes beat several threads."""
    if jobs == 1:
        for arguments in work:
            train(*arguments)
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_one_of, initargs=(jobs,)
    ) as pool:
        for future in [pool.submit(train, *arguments) for arguments in work]:
            future.result()


def _one_of(jobs: int) -> None:
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
