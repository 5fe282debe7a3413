"""The tasks that methods are compared on, and networks and recipes of a fitting size."""

from __future__ import annotations

from functools import partial

from experiments.catalogue import CatalogueSource
from experiments.method_task import MethodSource
from experiments.rows_task import RowsRecipe, RowsSource
from tfpfd._keras import keras
from tfpfd.datasets import kuairand, marketplace, movielens_100k
from tfpfd.demo.catalogue import RECENT
from tfpfd.layers import MLP, TwoTower
from tfpfd.schema import Sees


def coarse_network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Of coarse ranking: an inner product, with X* on the user side; an MLP if it is stronger."""
    if strong or sees == "privileged":
        return MLP([32, 16], batch_norm=False)
    # Without a bias, as the towers were that the published figures are of.
    return TwoTower([32, 16], batch_norm=False, use_bias=False)


def fine_network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Of fine ranking: an MLP, with 7 layers if it is stronger."""
    units = [256, 128, 64, 64, 32, 32, 16] if strong else [32, 16]
    return MLP(units, batch_norm=False)


COARSE: dict[str, MethodSource] = {
    "marketplace": RowsSource(
        lambda path: marketplace("click", users=1000),
        coarse_network,
        RowsRecipe(dim=8, batch_size=1024),
    ),
    "movielens": CatalogueSource(movielens_100k, RECENT),
    "kuairand": RowsSource(kuairand.load, coarse_network, RowsRecipe(batch_size=512)),
}
"""Coarse ranking with cross features privileged: of a catalogue, or a label on impressions."""

FINE: dict[str, RowsSource] = {
    "marketplace": RowsSource(
        lambda path: marketplace("purchase", users=4000), fine_network, RowsRecipe()
    ),
    "kuairand": RowsSource(
        partial(kuairand.load, task="like"),
        fine_network,
        RowsRecipe(embedding_l2=0.0, batch_size=512),
    ),
}
"""Fine ranking: a label on clicks, post-event features privileged."""
