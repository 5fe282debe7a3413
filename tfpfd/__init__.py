"""Train recommenders with features you can't serve."""

from tfpfd import (
    data,
    datasets,
    evaluation,
    layers,
    optimizers,
)
from tfpfd.auditing import (
    audit,
)
from tfpfd.data import (
    CatalogueSplits,
    Splits,
)
from tfpfd.distillation import (
    AUC,
    AuxiliaryTasks,
    Distillation,
    PrecomputedTeacher,
    Ranker,
    WarmUp,
    losses,
    out_of_fold,
    score_rows,
)
from tfpfd.evaluation import (
    irreproducibility,
)
from tfpfd.layers import (
    MLP,
    FeatureEncoder,
    MeanPooling,
    Recurrent,
    SelfAttention,
    TwoTower,
)
from tfpfd.objectives import (
    PLE,
    EpsilonConstraint,
    FusedTeachers,
    FusedTowers,
    FusionGate,
    MMoE,
    MultiTaskRanker,
    RuleBoost,
    SavedScorer,
    Scalarised,
    SeparateRankers,
    SharedBottom,
    aggregate_labels,
    check_objectives,
    fuse_scores,
    search_weights,
)
from tfpfd.retraining import (
    Version,
    lineage,
    retrain,
    save_version,
)
from tfpfd.schema import (
    Categorical,
    Numeric,
    Schema,
    Sequence,
    Vector,
)
from tfpfd.serving import (
    export,
    inspect_export,
    refresh,
    saved_embeddings,
    saved_scores,
)
from tfpfd.version import (
    __version__,
)

__all__ = [
    "AUC",
    "MLP",
    "PLE",
    "AuxiliaryTasks",
    "CatalogueSplits",
    "Categorical",
    "Distillation",
    "EpsilonConstraint",
    "FeatureEncoder",
    "FusedTeachers",
    "FusedTowers",
    "FusionGate",
    "MMoE",
    "MeanPooling",
    "MultiTaskRanker",
    "Numeric",
    "PrecomputedTeacher",
    "Ranker",
    "Recurrent",
    "RuleBoost",
    "SavedScorer",
    "Scalarised",
    "Schema",
    "SelfAttention",
    "SeparateRankers",
    "Sequence",
    "SharedBottom",
    "Splits",
    "TwoTower",
    "Vector",
    "Version",
    "WarmUp",
    "__version__",
    "aggregate_labels",
    "audit",
    "check_objectives",
    "data",
    "datasets",
    "evaluation",
    "export",
    "fuse_scores",
    "inspect_export",
    "irreproducibility",
    "layers",
    "lineage",
    "losses",
    "optimizers",
    "out_of_fold",
    "refresh",
    "retrain",
    "save_version",
    "saved_embeddings",
    "saved_scores",
    "score_rows",
    "search_weights",
]
