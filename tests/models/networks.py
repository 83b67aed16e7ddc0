"""What the tests of all networks do to them: look inside, settle, mute and export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork, Modality

Omegas = dict[tuple[str, str], float]
OUTPUTS = ("depth", "semantic")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def names(module: nn.Module) -> set[str]:
    return set(module.state_dict())


def shapes(module: nn.Module, paths: Sequence[str], *inputs: Tensor) -> dict[str, list[int]]:
    """Return the shape of one sample of what parts give."""
    with seen(module, paths) as found, torch.no_grad():
        module(*inputs)
    return {path: list(found[path].shape[1:]) for path in paths}


@contextmanager
def seen(module: nn.Module, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """See what parts of a module give while it runs."""
    found: dict[str, Tensor] = {}
    handles = [
        module.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: found.__setitem__(path, output)
        )
        for path in paths
    ]
    yield found
    for handle in handles:
        handle.remove()


def replaced(
    module: nn.Module, path: str, change: Callable[[Tensor], Tensor], *inputs: Tensor
) -> dict[str, Tensor]:
    """Return the outputs when what one part gives is changed."""
    part = module.get_submodule(path)
    with part.register_forward_hook(lambda _, __, output: change(output)), torch.no_grad():
        outputs: dict[str, Tensor] = module(*inputs)
    return outputs


def pictures(batch: int = 2, height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator) * 255


def depths(batch: int = 2, height: int = 48, width: int = 64, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=generator) * 9 + 0.5


def settle(module: nn.Module, *inputs: Tensor) -> None:
    """Give the normalisations the averages of these inputs, and go to eval mode."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # a plain mean
    with torch.no_grad():
        module(*inputs)
    module.eval()


def measured(
    module: nn.Module, inputs: Mapping[str, Tensor], sites: Sequence[str], folder: Path
) -> tuple[Omegas, Omegas]:
    """Measure what muting by zero costs in mean squared error: in a module, and as a file."""
    facts = [Modality(name, shape=tuple(x.shape[1:])) for name, x in inputs.items()]
    net = JointNetwork(module, inputs=facts, outputs=OUTPUTS)
    export_checkpoint(net, folder / "net.pt2", {name: x[:2] for name, x in inputs.items()})
    with torch.no_grad():
        targets = {name: torch.zeros_like(x) for name, x in net(inputs).items()}
    found = []
    for one in (net, load_checkpoint(folder / "net.pt2")):
        run = measure(
            one,
            [(dict(inputs), targets)],
            sites=list(sites),
            mutes=["zero"],
            batch_size=3,
            draws=10,
        )
        rows = run.influence[run.influence["metric"] == "mse"]
        found.append(
            {
                (str(source), str(target)): float(omega)
                for source, target, omega in rows[["source", "target", "omega"]].itertuples(
                    index=False
                )
            }
        )
    return found[0], found[1]


def by_hand(module: nn.Module, sites: Sequence[str], inputs: Mapping[str, Tensor]) -> Omegas:
    """Compute the same with one hook, or one input of zeros."""
    with torch.no_grad():
        clean = module(*inputs.values())
    omegas = {}
    for site in sites:
        if site.startswith("edge:"):
            path = site.removeprefix("edge:")
            muted = replaced(module, path, torch.zeros_like, *inputs.values())
        else:
            given = dict(inputs) | {site: torch.zeros_like(inputs[site])}
            with torch.no_grad():
                muted = module(*given.values())
        for target in OUTPUTS:
            errors = [x[target].double().square().mean() for x in (muted, clean)]
            omegas[site, target] = float(errors[0] - errors[1])
    return omegas
