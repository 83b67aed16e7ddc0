"""``influence measure``: checkpoints and an evaluation file in, a run directory out."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo, echo_error

__all__ = ["measure"]

UNFINISHED = "unfinished"
"""The folder of a run directory in which the rows of finished batches are kept."""


@click.command()
@click.argument("more_checkpoints", nargs=-1, metavar="[FILE]...")
@options.checkpoint
@options.data
@click.option("--out", required=True, type=options.PATH, help="The run directory.")
@options.network
@click.option(
    "--mute",
    default="",
    show_default="zero,mean; empty for tokens, mode for categories",
    help="Mutes, joined by commas; panel for all; module:name for your own.",
)
@options.pairs("--field", "fields", once=True, form="inputs/name=path", metavar="NAME=PATH",
               help="Where a part of a loader's batch lies: inputs/rgb=0, targets/label=y.class, "
                    "ids=name.")  # fmt: skip
@options.pairs("--metric", "metrics", form="output=metric,...", metavar="OUTPUT=NAME,...",
               help="Metrics or sets of them; module:name for metrics of your own.")  # fmt: skip
@click.option("--by", "levels", default="", metavar="LEVEL,...",
              help="Divide results: depth or depth=1,2,4; region or region=3; group.")  # fmt: skip
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME",
    help="Mute only these inputs, or internal edges: edge:MODULE.PATH.",
)
@click.option(
    "--setups",
    default="each",
    show_default=True,
    type=click.Choice(["each", "ends", "all"]),
    help="each input muted alone; ends: also all together; all: every subset.",
)
@click.option(
    "--interactions",
    is_flag=True,
    help="Also add-one-in, Shapley values and pairwise interactions, from all subsets of inputs.",
)
@click.option(
    "--meeting",
    default="auto",
    show_default=True,
    metavar="auto|off|MODULE.PATH",
    help="Where to measure how far a muted input is from the data; auto: where inputs first meet.",
)
@options.device
@options.batch_size(None, "16, more of small samples")
@options.workers
@click.option("--amp", default="off", show_default=True, type=click.Choice(["off", "bf16", "fp16"]))
@click.option("--compile", is_flag=True, help="Compile the network; pays on long runs.")
@click.option(
    "--channels-last/--no-channels-last",
    default=None,
    help="Keep maps with their channels last; by default where that suits the network.",
)
@click.option(
    "--share/--no-share", default=True, show_default=True, help="Compute once what setups share."
)
@click.option("--stream", is_flag=True, help="Keep running sums instead of rows of every sample.")
@click.option("--draws", default=2000, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--confidence",
    default=0.95,
    show_default=True,
    type=options.SHARE,
)
@options.seed
@options.limit
@click.option(
    "--expect",
    multiple=True,
    metavar="[NETWORK/]OUTPUT:METRIC=VALUE+-TOLERANCE",
    help="Stop before measuring if the unmuted score is another; costs one more pass. "
    "May be repeated.",
)
@click.option(
    "--train", "training", metavar="FILE", help="Training data, to learn the mute optimal from."
)
@click.option("--resume", is_flag=True, help="Go on from an interrupted run.")
def measure(
    more_checkpoints: tuple[str, ...],
    ckpt: tuple[str, ...],
    data: str,
    out: Path,
    mute: str,
    metrics: list[tuple[str, str]],
    fields: list[tuple[str, str]],
    training: str | None,
    resume: bool,
    **asked: Any,
) -> None:
    """Mute each input of trained networks and measure what each output loses.

    Further plain arguments are checkpoints too, so that `--ckpt *.pt2` works. Started by
    `torchrun --nproc-per-node=N -m influence measure ...`, N processes share the work.
    """
    paths = [*ckpt, *more_checkpoints]
    if asked["stream"] and resume:
        raise click.UsageError("--stream keeps nothing that --resume could go on from.")
    by_output: dict[str, list[str]] = defaultdict(list)
    for output, names in metrics:
        by_output[output] += options.split(names)

    from influence.display.table import format_table
    from influence.display.tables.interactions import interactions_table
    from influence.display.tables.omega import mutes_table, omega_table
    from influence.measurement.pipeline import Checkpointing
    from influence.measurement.pipeline import measure as measure_networks
    from influence.results.run_directory import OWN_FILES
    from influence.runtime.directories.locks import hold
    from influence.runtime.execution import Execution
    from influence.runtime.files import sweep
    from influence.runtime.interrupts import foreign_code
    from influence.runtime.processes import join_processes
    from influence.runtime.shards import ShardStore
    from influence.statistics.bootstrap import Resampling

    place, out = out.absolute(), out
    for name in OWN_FILES:
        options.keep_inputs(place / name, (*paths, data, training))
    if not asked["stream"]:
        options.tell_shards(place / UNFINISHED)
    networks = options.load_networks(paths, asked)
    execution, resampling = options.take(Execution, asked), options.take(Resampling, asked)
    with (
        join_processes(execution.device) as processes,
        hold(place) if processes.first else nullcontext("") as note,
    ):
        if processes.first:
            sweep(place)
            if note:
                echo_error(note)
        with foreign_code(options.YOURS):
            run = measure_networks(
                networks,
                options.read_data(data),
                metrics=by_output or None,
                mutes=options.split(mute) or None,
                fields=dict(fields) or None,
                execution=execution,
                resampling=resampling,
                training=options.read_data(training) if training else None,
                progress=True,
                checkpointing=Checkpointing(place / UNFINISHED, resume, target=place),
                processes=processes,
                **asked,
            )
        if processes.first:
            run.write(place)
            ShardStore.remove(place / UNFINISHED)
            echo(format_table(omega_table(run.influence), "text"))
            if run.influence["mute"].nunique() > 1:
                judged = mutes_table(run.influence, distance=run.distance, interval=False)
                echo(format_table(judged, "text"))
            if asked["interactions"]:
                echo(format_table(interactions_table(run.interactions), "text"))
            for name, notes in run.info["notes"].items():
                for note in notes:
                    echo(f"{name}: {note}", err=True)
            echo(f"wrote {out}", err=True)
