"""Train recommenders with features you can't serve."""

from tfpfd import (
    data,
    datasets,
    evaluation,
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
    Distillation,
    MultiTask,
    Ranker,
    ScoreColumn,
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
    Boosted,
    FusedTeachers,
    FusedTowers,
    Gate,
    MMoE,
    MultiObjective,
    Multipliers,
    SavedScorer,
    Scalarised,
    SeparateRankers,
    SharedBottom,
    aggregate_labels,
    check_objectives,
    fused,
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
)
from tfpfd.serving import (
    export,
    inspect,
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
    "Boosted",
    "CatalogueSplits",
    "Categorical",
    "Distillation",
    "FeatureEncoder",
    "FusedTeachers",
    "FusedTowers",
    "Gate",
    "MMoE",
    "MeanPooling",
    "MultiObjective",
    "MultiTask",
    "Multipliers",
    "Numeric",
    "Ranker",
    "Recurrent",
    "SavedScorer",
    "Scalarised",
    "Schema",
    "ScoreColumn",
    "SelfAttention",
    "SeparateRankers",
    "Sequence",
    "SharedBottom",
    "Splits",
    "TwoTower",
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
    "fused",
    "inspect",
    "irreproducibility",
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
