"""Kinds of hostile input: each makes one from a stream of random numbers, in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.hostile.attacks.arguments import arguments
from tests.hostile.attacks.checkpoints import folders, onnx_models, programs, safetensors, weights
from tests.hostile.attacks.evaluation import damaged_data, evaluation_files
from tests.hostile.attacks.facts import facts
from tests.hostile.attacks.modules import modules
from tests.hostile.attacks.runs import galleries, provenance, rows, shards, tables
from tests.hostile.sandbox import Attack, Sandbox

__all__ = ["KINDS"]

KINDS: Mapping[str, Callable[[Random, Sandbox], Attack]] = {
    "programs": programs,
    "weights": weights,
    "safetensors": safetensors,
    "folders": folders,
    "onnx": onnx_models,
    "facts": facts,
    "data": evaluation_files,
    "damaged-data": damaged_data,
    "rows": rows,
    "tables": tables,
    "provenance": provenance,
    "shards": shards,
    "galleries": galleries,
    "modules": modules,
    "arguments": arguments,
}
"""The kinds by name."""
