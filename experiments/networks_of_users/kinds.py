"""The kinds by name: where each is, without importing the libraries of the others."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from experiments.networks_of_users.kind import Kind
from influence.errors import InfluenceError

__all__ = ["KINDS", "find_kind", "versions"]

HERE = "experiments.networks_of_users"

KINDS: dict[str, str] = {
    "clip-zero-shot": "clip_zero_shot:KIND",
    "clip-retrieval": "clip_retrieval:KIND",
    "vilt": "vilt_vqa:KIND",
    "llava": "llava_answers:KIND",
    "llava-prompt": "llava_answers:PROMPTED",
    "easy-vqa": "easy_vqa:KIND",
    "lidar": "camera_lidar:KIND",
    "lidar-file": "camera_lidar:FILE",
    "detector": "detector:KIND",
    "rgbd": "rgbd_timm:KIND",
    "forecast": "forecast_lstm:KIND",
    "graph-batch": "graph_batch:KIND",
    "graph-nodes": "graph_nodes:KIND",
    "clinic": "clinic:KIND",
    "scikit-learn": "scikit:KIND",
    "onnx": "onnx_runtime:KIND",
    "policy": "policy:KIND",
    "omics": "omics:KIND",
}
"""Name on the command line -> module and record."""


def find_kind(name: str) -> Kind:
    """Import a kind.

    Raises
    ------
    InfluenceError
        If a library that it needs is not installed.
    """
    module, _, record = KINDS[name].partition(":")
    try:
        found: Kind = getattr(import_module(f"{HERE}.{module}"), record)
    except ModuleNotFoundError as error:
        raise InfluenceError(
            f"{name} needs {error.name}, which is not installed. Install what setup.cfg lists as "
            "[networks], and for rgbd timm with the torchvision of your torch"
        ) from error
    return found


def versions(kind: Kind) -> str:
    """Name the libraries of a kind with their versions; torch alone if it needs no other."""
    found = []
    for library in kind.libraries or ("torch",):
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            found.append(library)
    return ", ".join(found)
