"""``influence optimal``: a checkpoint and training data in, the constants that hurt least out."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["optimal"]


@click.command()
@click.argument("checkpoint", metavar="CKPT")
@click.option("--data", required=True, metavar="FILE", help="Training data: as for measure --data.")
@click.option("--out", type=click.Path(path_type=Path), help="The new checkpoint, a .pt2 file.")
@click.option("--network", metavar="MODULE:FACTORY", help="Builds the network of a weights file.")
@click.option("--site", multiple=True, metavar="NAME", help="Only these inputs.")
@click.option("--steps", default=200, show_default=True, type=click.IntRange(min=0))
@click.option("--batch-size", default=8, show_default=True, type=click.IntRange(min=1))
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first samples.")
def optimal(
    checkpoint: str,
    data: str,
    out: Path | None,
    network: str | None,
    site: tuple[str, ...],
    steps: int,
    batch_size: int,
    device: str,
    workers: int,
    seed: int,
    limit: int | None,
) -> None:
    """Learn the constants that hurt a network least, for the mute 'optimal'.

    With --out, CKPT is written again with the constants in its facts; its graph and weights stay
    the same. Without, they are only shown.
    """
    from influence.mutes.optimal import learn_optimal
    from influence.network.checkpoints import check_refill, load_checkpoint, refill_checkpoint
    from influence.runtime.factories import is_factory, make

    if out:
        check_refill(checkpoint, out)
    found = learn_optimal(
        load_checkpoint(checkpoint, network),
        make(data) if is_factory(data) else data,
        sites=site or None,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        limit=limit,
        device=device,
        workers=workers,
        progress=True,
    )
    for name, constant in found.items():
        click.echo(f"{name}: {', '.join(f'{number:.6g}' for number in constant)}")
    if out:
        refill_checkpoint(checkpoint, out, found)
        click.echo(f"wrote {out}", err=True)
