"""Train recommenders with features you can't serve."""

from tfpfd import (
    data,
    datasets,
    evaluation,
    optimizers,
)
from tfpfd.auditing import (
    Splits,
    audit,
)
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
    FusedTowers,
    MMoE,
    MultiObjective,
    Multipliers,
    Scalarised,
    SeparateRankers,
    SharedBottom,
    Version,
    aggregate_labels,
    check_objectives,
    fused,
    lineage,
    retrain,
    save_version,
    search_weights,
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
)
from tfpfd.version import (
    __version__,
)

__all__ = [
    "MLP",
    "PLE",
    "Categorical",
    "Distillation",
    "FeatureEncoder",
    "FusedTowers",
    "MMoE",
    "MeanPooling",
    "MultiObjective",
    "MultiTask",
    "Multipliers",
    "Numeric",
    "Ranker",
    "Recurrent",
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
    "retrain",
    "save_version",
    "score_rows",
    "search_weights",
]
