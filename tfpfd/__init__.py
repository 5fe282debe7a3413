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
    score_rows,
)
from tfpfd.evaluation import irreproducibility
from tfpfd.layers import MLP, FeatureEncoder, MeanPooling, Recurrent, SelfAttention, TwoTower
from tfpfd.objectives import Version, lineage, retrain, save_version
from tfpfd.schema import Categorical, Numeric, Schema, Sequence
from tfpfd.serving import export, inspect
from tfpfd.version import __version__

__all__ = [
    "MLP",
    "Categorical",
    "Distillation",
    "FeatureEncoder",
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
    "Version",
    "WarmUp",
    "__version__",
    "audit",
    "data",
    "datasets",
    "evaluation",
    "export",
    "inspect",
    "irreproducibility",
    "lineage",
    "losses",
    "optimizers",
    "out_of_fold",
    "retrain",
    "save_version",
    "score_rows",
]
