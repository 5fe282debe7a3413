"""Train recommenders with features you can't serve."""

from tfpfd import data, datasets, evaluation, optimizers
from tfpfd.auditing import Splits, audit
from tfpfd.distillation import (
    Distillation,
    MultiTask,
    Ranker,
    ScoreColumn,
    WarmUp,
    losses,
    out_of_fold,
)
from tfpfd.layers import MLP, FeatureEncoder, MeanPooling, Recurrent, SelfAttention, TwoTower
from tfpfd.objectives import FusedTeachers
from tfpfd.schema import Categorical, Numeric, Schema, Sequence
from tfpfd.serving import export, inspect
from tfpfd.version import __version__

__all__ = [
    "MLP",
    "Categorical",
    "Distillation",
    "FeatureEncoder",
    "FusedTeachers",
    "MeanPooling",
    "MultiTask",
    "Numeric",
    "Ranker",
    "Recurrent",
    "Schema",
    "ScoreColumn",
    "SelfAttention",
    "Sequence",
    "Splits",
    "TwoTower",
    "WarmUp",
    "__version__",
    "audit",
    "data",
    "datasets",
    "evaluation",
    "export",
    "inspect",
    "losses",
    "optimizers",
    "out_of_fold",
]
