"""Layers: embedding tables, behaviour encoders, networks.

A ranker is a `FeatureEncoder`, which makes a vector of each feature, and a network, which makes a
logit of the vectors. `TwoTower` and `MLP` are networks, and so is any Keras layer that has the
methods of `Network`: it gets `Encoded`, the vectors by side and feature, which `joined` puts beside
each other. `MeanPooling`, `SelfAttention` and `Recurrent` make one vector of a sequence's.
"""

from tfpfd.layers.behaviour import MeanPooling, Recurrent, SelfAttention
from tfpfd.layers.encoded import Encoded, joined
from tfpfd.layers.encoded_once import Repeated
from tfpfd.layers.encoder import FeatureEncoder
from tfpfd.layers.mlp import MLP
from tfpfd.layers.network import Network
from tfpfd.layers.tables import Tables
from tfpfd.layers.two_tower import TwoTower

__all__ = [
    "MLP",
    "Encoded",
    "FeatureEncoder",
    "MeanPooling",
    "Network",
    "Recurrent",
    "Repeated",
    "SelfAttention",
    "Tables",
    "TwoTower",
    "joined",
]
