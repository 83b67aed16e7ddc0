"""The training loop: one function around Lightning that can be interrupted at any time.

A training run is a folder. `stamp.json` says what decides its weights, `last.ckpt` is the state
from which an interrupted run goes on, and at the end come `history.csv` and `weights.safetensors`,
whose presence means that the run is finished. All random numbers derive from seed, epoch or step,
and sample, so that a resumed run gives the same weights as an uninterrupted one.
"""

from __future__ import annotations

import csv
import logging
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from experiments.training.network_training import Batch, NetworkTraining
from experiments.training.recipe import Recipe, check_stamp
from influence.errors import InfluenceError
from influence.runtime.files import replace_on_success

__all__ = [
    "Draw",
    "ShuffledEpochs",
    "fit",
    "held_out_images",
    "load_weights",
    "publish_weights",
    "save_weights",
]

Draw = tuple[int, np.random.SeedSequence | None]
"""What a data set is asked for: a sample and the seed of its random changes, `None` for none."""


class ShuffledEpochs(Sampler[Draw]):
    """The chosen samples in an order that depends on the seed and the epoch only.

    Of several devices each gets its own share, every n-th sample of that order, so that their
    batches together are those of one device. Where the number of samples is not a multiple of the
    devices, the first samples of an epoch come once more at its end.
    """

    def __init__(self, chosen: NDArray[np.integer[Any]], seed: int) -> None:
        self._chosen = chosen
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch, also after it resumed."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._chosen) // _place()[1])

    def __iter__(self) -> Iterator[Draw]:
        device, devices = _place()
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._chosen))
        for number in np.resize(order, devices * len(self))[device::devices]:
            seed = np.random.SeedSequence((self._seed, self._epoch, int(number)))
            yield int(self._chosen[number]), seed


def held_out_images(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose the training images that only watch the loss; bool (count,)."""
    watching = np.zeros(count, dtype=bool)
    watching[np.random.default_rng((seed, 1)).permutation(count)[: round(share * count)]] = True
    return watching


def fit(
    module: NetworkTraining,
    data: Dataset[Batch],
    folder: Path,
    *,
    chosen: NDArray[np.integer[Any]] | None = None,
    facts: Mapping[str, Any] | None = None,
    stop_after: int | None = None,
) -> None:
    """Train a network and leave its weights in `folder`; do nothing if it has them.

    On several devices a batch is shared evenly; each normalises its own share of a batch. For a
    network without batch normalisation, and a loss that is a mean over samples of equal weight,
    the result is that of one device, but for rounding.

    Parameters
    ----------
    module
        Network, loss, recipe and seed.
    data
        Maps a `Draw` to a sample.
    chosen
        The samples that are used; all by default. The recipe's share of them is held out: watched
        after every epoch, not trained on.
    facts
        What else decides the weights, such as the names of network and loss and a digest of the
        data: by name, as JSON can hold it. A run goes on only with what it began with.
    stop_after
        End after so many epochs of this call, as an interrupt would.

    Raises
    ------
    InfluenceError
        If the folder is of a run with another recipe, seed or other facts, or if this machine
        cannot follow the recipe.
    """
    recipe, seed = module.recipe, module.seed
    _check_machine(recipe)
    chosen = np.arange(len(data)) if chosen is None else chosen  # type: ignore[arg-type]
    watching = held_out_images(len(chosen), recipe.held_out, seed)
    if watching.all():
        raise InfluenceError(
            f"{folder.name}: {len(chosen)} training images, of which a share of {recipe.held_out} "
            "is held out, leave none to learn from. Hold out less"
        )
    check_stamp(
        folder,
        {f"recipe.{name}": value for name, value in asdict(recipe).items()}
        | {"seed": seed, "images": len(chosen)}
        | dict(facts or {}),
    )
    if (folder / "weights.safetensors").is_file():
        print(f"{folder.name}: already trained", flush=True)
        return
    state = folder / "last.ckpt"
    with _quiet():
        # One picture at a time: pictures differ in nothing but content, and the loss is a mean.
        watched = [(int(index), None) for index in chosen[watching]]
        _trainer(recipe, folder, stop_after).fit(
            module,
            DataLoader(
                data,
                batch_size=recipe.batch_size // recipe.devices,
                sampler=ShuffledEpochs(chosen[~watching], seed),
            ),
            DataLoader(data, batch_size=1, sampler=watched) if watched else None,
            ckpt_path=state if state.is_file() else None,
        )


def save_weights(network: nn.Module, path: Path) -> None:
    """Write float16 weights; biases and the vectors of batch normalisation stay float32."""
    weights = {
        name: (value.half() if value.is_floating_point() and value.ndim > 1 else value).contiguous()
        for name, value in network.state_dict().items()
    }
    with replace_on_success(path) as aside:
        save_file(weights, aside)


def publish_weights(source: Path, path: Path) -> Path:
    """Copy trained weights to where they are published, if they do not lie there."""
    if not source.is_file():
        raise InfluenceError(f"{source}: no such weights. Run the training step first")
    if source != path:
        with replace_on_success(path) as aside:
            shutil.copyfile(source, aside)
    return path


def load_weights(network: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote, into a network of the same shape."""
    if not path.is_file():
        raise InfluenceError(f"{path}: no such weights. Run the training step first")
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise InfluenceError(
            f"{path} does not hold the weights of this network: {' '.join(str(error).split())}. "
            "Delete it and train, or restore the configuration that it was trained with"
        ) from error
    network.eval()


class _Folder(Callback):
    """Keeps the mean losses of every epoch, and with them the state; at the end the weights.

    Every device runs this; the first one writes.
    """

    def __init__(self, folder: Path, stop_after: int | None) -> None:
        self.folder = folder
        self._epochs_left = stop_after
        self.rows: list[dict[str, float]] = []
        self._start = 0.0
        self._losses: list[Tensor] = []

    def setup(self, *_: Any, **__: Any) -> None:
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # in a new process, too

    def on_train_epoch_start(self, *_: Any) -> None:
        self._start = time.monotonic()
        self._losses = []

    def on_train_batch_end(self, *arguments: Any) -> None:
        _, _, outputs, *_ = arguments
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: lightning.Trainer, *modules: Any) -> None:
        mean = trainer.strategy.reduce(torch.stack(self._losses).double().mean(), reduce_op="mean")
        row = {
            "epoch": float(trainer.current_epoch + 1),
            "train_loss": float(mean),
            "held_out_loss": float(trainer.callback_metrics.get("held_out_loss", float("nan"))),
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            self._tell(row, trainer.max_epochs)
            if row["epoch"] == trainer.max_epochs:
                self._finish(modules[0].network)
        path = self.folder / "last.ckpt"
        with replace_on_success(path) if trainer.is_global_zero else nullcontext(path) as aside:
            trainer.save_checkpoint(aside)  # waits for all devices, writes on the first
        if self._epochs_left is not None:
            self._epochs_left -= 1
            trainer.should_stop = self._epochs_left <= 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def _tell(self, row: dict[str, float], epochs: int | None) -> None:
        print(
            f"{self.folder.name}: epoch {row['epoch']:.0f}/{epochs}"
            f" loss {row['train_loss']:.4f} held-out {row['held_out_loss']:.4f}"
            f" {time.monotonic() - self._start:.0f} s",
            flush=True,
        )

    def _finish(self, network: nn.Module) -> None:
        path = self.folder / "history.csv"
        with replace_on_success(path) as aside, open(aside, "w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        save_weights(network, self.folder / "weights.safetensors")


def _trainer(recipe: Recipe, folder: Path, stop_after: int | None) -> lightning.Trainer:
    cuda = torch.cuda.is_available()
    callbacks: list[Callback] = [_Folder(folder, stop_after)]
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    return lightning.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=recipe.devices,
        strategy="auto" if recipe.devices == 1 else "ddp_spawn",
        max_epochs=recipe.epochs,
        precision=_precision(recipe, cuda),  # type: ignore[arg-type]
        gradient_clip_val=recipe.clip or None,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def _check_machine(recipe: Recipe) -> None:
    cuda = torch.cuda.is_available()
    if recipe.batch_size % recipe.devices:
        raise InfluenceError(
            f"a batch of {recipe.batch_size} cannot be shared evenly by {recipe.devices} devices: "
            "make batch_size a multiple of devices"
        )
    if cuda and recipe.devices > torch.cuda.device_count():
        raise InfluenceError(
            f"expected {recipe.devices} CUDA devices as the recipe says, there are "
            f"{torch.cuda.device_count()}. Set devices to that"
        )
    if recipe.precision == "16-mixed" and not cuda:
        raise InfluenceError(
            "the precision 16-mixed needs a CUDA device, and there is none: take bf16-mixed or auto"
        )


def _precision(recipe: Recipe, cuda: bool) -> str:
    if recipe.precision != "auto":
        return recipe.precision
    fast = cuda or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


def _place() -> tuple[int, int]:
    """Which of how many devices this process works for."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice about workers, loggers and hardware; errors still come through."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
