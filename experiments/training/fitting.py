"""The training loop: one function around Lightning that can be interrupted at any time.

A training run is a folder. It holds `last.ckpt`, from which an interrupted run goes on, and at the
end `history.csv` and `weights.safetensors`, whose presence means that the run is finished. All
random numbers derive from (seed, epoch, sample), so that a resumed run gives the same weights as
an uninterrupted one.
"""

from __future__ import annotations

import csv
import logging
import sys
import time
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from influence.errors import InfluenceError
from influence.files import replace_on_success

__all__ = ["Draw", "History", "ShuffledEpochs", "fit", "load_weights", "save_weights"]

# What a training data set is asked for: the sample and the seed of its random changes.
Draw = tuple[int, np.random.SeedSequence]


class ShuffledEpochs(Sampler[Draw]):
    """All samples in an order that depends on the seed and the epoch only."""

    def __init__(self, data: Sized, seed: int) -> None:
        self._data = data
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch, also after it resumed."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Draw]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self))
        for index in order:
            yield int(index), np.random.SeedSequence((self._seed, self._epoch, int(index)))


class History(Callback):
    """The mean losses of every epoch; they travel with the training state."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, float]] = []
        self._start = 0.0
        self._losses: list[Tensor] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self._start = time.monotonic()
        self._losses = []

    def on_train_batch_end(self, *arguments: Any) -> None:
        _, _, outputs, *_ = arguments
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        row = {
            "epoch": float(trainer.current_epoch + 1),
            "train_loss": float(torch.stack(self._losses).double().mean()),
            "held_out_loss": float(trainer.callback_metrics.get("held_out_loss", float("nan"))),
        }
        self.rows.append(row)
        print(
            f"{self.name}: epoch {row['epoch']:.0f}/{trainer.max_epochs}"
            f" loss {row['train_loss']:.4f} held-out {row['held_out_loss']:.4f}"
            f" {time.monotonic() - self._start:.0f} s",
            flush=True,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


def fit(
    module: lightning.LightningModule,
    network: nn.Module,
    data: Dataset[Any],
    folder: Path,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    held_out: Dataset[Any] | None = None,
    precision: str = "auto",
    stop_after: int | None = None,
) -> None:
    """Train `network` inside `module` and leave its weights in `folder`; do nothing if it has them.

    Parameters
    ----------
    module
        Gives loss and optimiser.
    data
        Maps a `Draw` to a sample.
    held_out
        Watched after every epoch, not trained on; maps an index to a sample.
    precision
        "32-true", "bf16-mixed", or "auto": the latter where the processor has fast bfloat16.
    stop_after
        End after so many epochs of this call, as an interrupt would.
    """
    finished = folder / "weights.safetensors"
    if finished.is_file():
        print(f"{folder.name}: already trained", flush=True)
        return
    history = History(folder.name)
    state = folder / "last.ckpt"
    callbacks: list[Callback] = [history, _SaveState(state)]
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    if stop_after is not None:
        callbacks.append(_StopAfter(stop_after))
    with _quiet():
        trainer = lightning.Trainer(
            accelerator="cpu" if not torch.cuda.is_available() else "gpu",
            devices=1,
            max_epochs=epochs,
            precision=_precision() if precision == "auto" else precision,  # type: ignore[arg-type]
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=sys.stderr.isatty(),
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
        )
        # One picture at a time: pictures differ in nothing but content, and the loss is a mean.
        trainer.fit(
            module,
            DataLoader(data, batch_size=batch_size, sampler=ShuffledEpochs(data, seed)),  # type: ignore[arg-type]
            None if held_out is None else DataLoader(held_out, batch_size=1),
            ckpt_path=state if state.is_file() else None,
        )
    if len(history.rows) < epochs:
        return
    with replace_on_success(folder / "history.csv") as aside, open(aside, "w", newline="") as file:
        writer = csv.DictWriter(file, list(history.rows[0]))
        writer.writeheader()
        writer.writerows(history.rows)
    save_weights(network, finished)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write float16 weights; biases and the vectors of batch normalisation stay float32."""
    weights = {
        name: (value.half() if value.is_floating_point() and value.ndim > 1 else value).contiguous()
        for name, value in network.state_dict().items()
    }
    with replace_on_success(path) as aside:
        save_file(weights, aside)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote, into a network of the same shape."""
    if not path.is_file():
        raise InfluenceError(f"{path}: no such weights. Run the training step first")
    network.load_state_dict(load_file(path))
    network.eval()


class _SaveState(Callback):
    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        with replace_on_success(self._path) as aside:
            trainer.save_checkpoint(aside)


class _StopAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self._left = epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self._left -= 1
        trainer.should_stop = self._left <= 0


def _precision() -> str:
    fast = torch.cuda.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


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
