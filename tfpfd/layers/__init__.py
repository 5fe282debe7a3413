"""Layers: embedding tables, behaviour encoders, networks.

A ranker is a `FeatureEncoder`, which makes a vector of each feature, and a network, which makes a
logit of the vectors. `TwoTower`, `MLP`, `DCN`, `DeepFM` and `DotInteraction` are networks, and so
is any Keras layer that has the methods of `Network`: it gets `Encoded`, the vectors by side and
feature, which `joined` puts beside each other. `MeanPooling`, `SelfAttention`, `GRU`, `Transformer`
and `TargetAttention` make one vector of a sequence's.
"""

from tfpfd.layers.behaviour import GRU, MeanPooling, SelfAttention
from tfpfd.layers.dcn import DCN
from tfpfd.layers.deep_fm import DeepFM
from tfpfd.layers.dot_interaction import DotInteraction
from tfpfd.layers.encoded import Encoded, joined
from tfpfd.layers.encoded_once import Repeated
from tfpfd.layers.encoder import FeatureEncoder
from tfpfd.layers.given_vectors import set_vectors
from tfpfd.layers.mlp import MLP
from tfpfd.layers.network import Network
from tfpfd.layers.tables import Tables
from tfpfd.layers.target_attention import TargetAttention
from tfpfd.layers.transformer import Transformer
from tfpfd.layers.two_tower import TwoTower

__all__ = [
    "DCN",
    "GRU",
    "MLP",
    "DeepFM",
    "DotInteraction",
    "Encoded",
    "FeatureEncoder",
    "MeanPooling",
    "Network",
    "Repeated",
    "SelfAttention",
    "Tables",
    "TargetAttention",
    "Transformer",
    "TwoTower",
    "joined",
    "set_vectors",
]
