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
from tfpfd.objectives import Boosted, FusedTeachers, Gate, SavedScorer
from tfpfd.schema import Categorical, Numeric, Schema, Sequence
from tfpfd.serving import export, inspect, saved_scores
from tfpfd.version import __version__

__all__ = [
    "MLP",
    "Boosted",
    "Categorical",
    "Distillation",
    "FeatureEncoder",
    "FusedTeachers",
    "Gate",
    "MeanPooling",
    "MultiTask",
    "Numeric",
    "Ranker",
    "Recurrent",
    "SavedScorer",
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
    "saved_scores",
]
