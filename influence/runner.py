"""Runner: one batch under every condition, reduced to rows on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.evaluation_set import Batch, EvaluationSet
from influence.metrics import Metric, Prediction
from influence.muting import Mute, Signal
from influence.network import JointNetwork, Modality
from influence.rows import Condition, RowKey
from influence.setups import FULL

__all__ = ["Runner"]


class Runner:
    """Runs the conditions on one batch after the other and reduces predictions to rows."""

    def __init__(
        self,
        network: JointNetwork,
        data: EvaluationSet,
        conditions: Sequence[Condition],
        *,
        modalities: Mapping[str, Modality],
        mutes: Mapping[str, Mute],
        metrics: Mapping[str, Sequence[Metric]],
        device: torch.device,
        amp: torch.dtype | None = None,
        seed: int = 0,
    ) -> None:
        self.network, self.data, self.conditions = network, data, conditions
        self.modalities, self.mutes, self.metrics = modalities, mutes, metrics
        self.device, self.amp, self.seed = device, amp, seed
        self.outputs = {o.name: o for o in network.outputs}
        self.notes: list[str] = []
        self.checked = False
        if network.module.training and not isinstance(network.module, torch.fx.GraphModule):
            self.notes.append("the network came in training mode and was set to evaluation mode")
        network.to(device)
        weights = chain(network.module.parameters(), network.module.buffers())
        known = (torch.float32, torch.float64)
        self.dtype = next((w.dtype for w in weights if w.dtype in known), torch.float32)

    def _precision(self) -> AbstractContextManager[object]:
        if self.amp is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp)

    def statistics(self) -> list[tuple[str, str]]:
        """List each output with each statistic that its metrics share."""
        return [
            (output, statistic)
            for output, metrics in self.metrics.items()
            for statistic in dict.fromkeys(m.statistic.name for m in metrics)
        ]

    @torch.inference_mode()
    def run(
        self, batch: Batch, follower: Mapping[str, Tensor] | None
    ) -> dict[str, NDArray[np.float64]]:
        """Return the rows of one batch, by the text of their key."""
        inputs = {n: batch.inputs[n].to(self.device, self.dtype) for n in self.modalities}
        targets = {n: batch.targets[n].to(self.device) for n in self.metrics}
        rows = {}
        for condition in self.conditions:
            outputs = self._forward(condition, batch, inputs, follower)
            if condition.setup == FULL and not self.checked:
                self._check_repeats(outputs, condition, batch, inputs, follower)
            for key, values in self._reduce(condition, batch, outputs, targets):
                rows[str(key)] = values
        return rows

    def _forward(
        self,
        condition: Condition,
        batch: Batch,
        inputs: Mapping[str, Tensor],
        follower: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        shown = {n: x.clone() for n, x in inputs.items()}  # a network may change them in place
        for site in condition.setup:
            partners = None
            if follower is not None:
                last = follower[site].to(inputs[site])
                partners = torch.cat([inputs[site][1:], last.unsqueeze(0)])
            signal = Signal(inputs[site], self.modalities[site], batch.indices, partners, self.seed)
            shown[site] = self.mutes[condition.mute].replace(signal)
        try:
            with self._precision():
                return self.network(shown)
        except InfluenceError:
            raise
        except Exception as error:
            shapes = {n: tuple(x.shape) for n, x in shown.items()}
            if isinstance(error, torch.OutOfMemoryError):
                remedy = "Take a smaller batch size"
            else:
                remedy = (
                    "Check that the file's inputs have the shapes that the network was built for, "
                    "and that it takes batches of any size"
                )
            raise InfluenceError(
                f"network {self.network.name!r} failed on inputs of shape {shapes} from "
                f"{self.data.source}: {type(error).__name__}: {str(error).strip()[:500]}. {remedy}"
            ) from error

    def _check_repeats(
        self,
        outputs: Mapping[str, Tensor],
        condition: Condition,
        batch: Batch,
        inputs: Mapping[str, Tensor],
        follower: Mapping[str, Tensor] | None,
    ) -> None:
        """Muting nothing must give exactly the full result; say so if it does not."""
        self.checked = True
        again = self._forward(condition, batch, inputs, follower)
        for name, value in outputs.items():
            if not torch.equal(value, again[name]) and not value.isnan().any():
                gap = (value.double() - again[name].double()).abs().max().item()
                self.notes.append(
                    f"output {name!r} changes between two identical runs by up to {gap:.3g}: "
                    "influences of that size mean nothing (dropout left on?)"
                )

    def _reduce(
        self,
        condition: Condition,
        batch: Batch,
        outputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
    ) -> Iterator[tuple[RowKey, NDArray[np.float64]]]:
        for name, metrics in self.metrics.items():
            values = outputs[name]
            self._check_finite(condition, batch, name, values)
            prediction = Prediction(
                values if values.dtype == torch.float64 else values.float(),
                targets[name],
                self.outputs[name],
                self.data.targets[name],
            )
            for statistic in {m.statistic.name: m.statistic for m in metrics}.values():
                try:
                    rows = statistic.update(prediction).cpu().numpy()
                except InfluenceError as error:
                    raise InfluenceError(f"{self.data.source}: {error}") from None
                if condition.setup == FULL:
                    self._check_valid(batch, name, statistic.valid(rows))
                yield RowKey(condition, name, statistic.name), rows

    def _check_finite(self, condition: Condition, batch: Batch, name: str, values: Tensor) -> None:
        if values.isfinite().all():
            return
        broken = ~values.isfinite().reshape(len(values), -1).all(dim=1).cpu().numpy()
        sample = self.data.ids[int(batch.indices[broken][0])]
        raise InfluenceError(
            f"network {self.network.name!r} returned NaN or infinity in output {name!r} for "
            f"sample {sample!r} of {self.data.source} under {condition}. Look for NaN in that "
            "sample's inputs, or for a division or logarithm in the network"
        )

    def _check_valid(self, batch: Batch, name: str, scored: NDArray[np.float64]) -> None:
        if (scored > 0).all():
            return
        sample = self.data.ids[int(batch.indices[scored == 0][0])]
        raise InfluenceError(
            f"{self.data.source}: sample {sample!r} has no valid ground truth in targets/{name}. "
            "Leave the sample out, or correct the attributes 'ignore' and 'range'"
        )
