"""Candidates: the internal edges of a network that are worth muting."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx

from influence.sharing.dependence import Dependence, meeting_points
from influence.sharing.points import modules_of, results_of, where

__all__ = ["candidate_edges"]


def candidate_edges(
    graph: fx.Graph, dependence: Dependence
) -> Iterator[tuple[str, list[str], str]]:
    """List modules whose output is the last that depends on fewer modalities than what follows.

    In a network of one modality these are its outermost modules.

    Yields
    ------
    tuple
        The path of the module, the modalities that its output depends on, and where they meet
        others.
    """
    if not any(True for _ in meeting_points(graph, dependence)):
        yield from _outermost(graph, dependence)
        return
    listed = set()
    for node, _ in meeting_points(graph, dependence):
        for argument in node.all_input_nodes:
            found = _last_module(graph, argument, dependence)
            if found and found[0] not in listed:
                listed.add(found[0])
                yield (*found, where(node))


def _outermost(graph: fx.Graph, dependence: Dependence) -> Iterator[tuple[str, list[str], str]]:
    paths = dict.fromkeys(modules_of(node)[0] for node in graph.nodes if modules_of(node))
    for path in paths:
        if leaving := [n for n in results_of(graph, path) if dependence.inputs[n]]:
            yield path, sorted(dependence.inputs[leaving[0]]), "the output"


def _last_module(
    graph: fx.Graph, node: fx.Node, dependence: Dependence
) -> tuple[str, list[str]] | None:
    """Walk back to a module that gives this tensor, and depends on no other modality."""
    while node.op == "call_function":
        for path in modules_of(node):
            within = [n for n in graph.nodes if path in modules_of(n)]
            alone = all(dependence.inputs[n] <= dependence.inputs[node] for n in within)
            if alone and node in results_of(graph, path):
                return path, sorted(dependence.inputs[node])
        before = [n for n in node.all_input_nodes if dependence.inputs[n]]
        if len(before) != 1:
            return None
        (node,) = before
    return None
