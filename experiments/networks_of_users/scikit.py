"""A pipeline of scikit-learn over two tables that stand side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Output, Run

__all__ = ["KIND", "data", "network"]

Tables = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def data(samples: int, seed: int = 13) -> Tables:
    """Draw clinical values (n, 4), genes (n, 6) and labels (n,)."""
    stream = np.random.default_rng(seed)
    clinical, genes = stream.normal(size=(samples, 4)), stream.normal(size=(samples, 6))
    score = clinical[:, 0] + 0.7 * genes[:, 1] + 0.5 * stream.normal(size=samples)
    clinical[stream.random(clinical.shape) < 0.1] = np.nan
    return clinical, genes, (score > 0).astype(np.int64)


def network() -> Any:
    """Fit a forest on other patients."""
    clinical, genes, labels = data(200, seed=14)
    made = make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0))
    return made.fit(np.hstack([clinical, genes]), labels)


def user_code(network: Any, data: Any) -> Run:
    """Mute the clinical values, then the genes."""
    clinical, genes, labels = data
    net = influence.JointNetwork(
        lambda clinical, genes: network.predict_proba(np.hstack([clinical, genes])),
        ["clinical", "genes"],
        [Output("ill", "probabilities")],
        arrays=True,
    )
    return influence.measure(net, [({"clinical": clinical, "genes": genes}, {"ill": labels})])


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Judge every patient."""
    tables = dict(zip(("clinical", "genes"), data, strict=False))
    if source:
        table = tables[source]
        value = np.nanmean(table, axis=0) if mute == "mean" else 0.0
        tables[source] = np.zeros_like(table) + value
    found = network.predict_proba(np.hstack(list(tables.values())))
    own = np.take_along_axis(found, data[2][:, None], 1)
    right = float((found.argmax(1) == data[2]).mean())
    loss = float(-np.log(np.maximum(own, 1e-12)).mean())
    return {("ill", "accuracy"): right, ("ill", "cross_entropy"): -loss}


KIND = Kind(
    "scikit-learn, forest over two tables",
    ("scikit-learn",),
    network,
    data,
    user_code,
    score,
    inputs="clinical (4), genes (6), float64",
    samples=120,
    note="a function of arrays; missing cells are filled in by the pipeline",
)
