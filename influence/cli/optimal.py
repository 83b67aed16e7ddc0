"""``influence optimal``: the constants that hurt a network least in the place of its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo

__all__ = ["optimal"]


@click.command()
@click.argument("checkpoint", required=False, metavar="[CKPT]")
@options.data
@click.option("--out", type=options.PATH, help="The new checkpoint, a .pt2 file.")
@options.network
@click.option("--site", "sites", multiple=True, metavar="NAME", help="Only these inputs.")
@click.option("--steps", default=200, show_default=True, type=click.IntRange(min=0),
              help="Steps of the optimiser, Adam.")  # fmt: skip
@options.batch_size(8)
@options.device
@options.workers
@options.seed
@options.limit
def optimal(checkpoint: str | None, data: str, out: Path | None, **asked: Any) -> None:
    """Learn the constants that hurt a network least in the place of its inputs.

    They are what the mute 'optimal' replaces inputs by, and are learned on training data (--data).
    With --out, CKPT is written again with the constants in its facts; its graph and weights stay
    the same. Without --out they are only printed.
    """
    if out and not checkpoint:
        raise click.UsageError("--out writes CKPT again; name that file.")

    from influence.mutes.optimal import learn_optimal
    from influence.network.checkpoints import check_refill, refill_checkpoint
    from influence.runtime.execution import Execution

    options.keep_inputs(out, (data,))
    if out and checkpoint:
        check_refill(checkpoint, out)
    (net,) = options.load_networks([checkpoint] if checkpoint else [], asked)
    found = learn_optimal(
        net,
        options.read_data(data),
        execution=options.take(Execution, asked),
        progress=True,
        **asked,
    )
    for name, constant in found.items():
        echo(f"{name}: {', '.join(f'{number:.6g}' for number in constant)}")
    if out and checkpoint:
        refill_checkpoint(checkpoint, out, found)
        echo(f"wrote {out}", err=True)
