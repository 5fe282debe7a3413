"""Metrics of recommenders, on flat rows and over a catalogue, with honest intervals."""

from tfpfd.evaluation.calibration import reliability
from tfpfd.evaluation.catalogue import evaluate_catalogue
from tfpfd.evaluation.comparison import Comparison, Standing
from tfpfd.evaluation.intervals import (
    Interval,
    confidence_interval,
    mean_over_users,
    multiplicities,
    paired_difference,
    user_bootstrap,
)
from tfpfd.evaluation.irreproducibility import Irreproducibility, irreproducibility
from tfpfd.evaluation.list_metrics import list_attention, list_exposure, list_ndcg, mean_over_lists
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.metrics import (
    auc,
    evaluate_rows,
    expected_calibration_error,
    group_auc,
    log_loss,
)
from tfpfd.evaluation.protocol import compare_pointwise, compare_retrieval
from tfpfd.evaluation.ranking import (
    hit_rate_at_k,
    ndcg_at_k,
    ranks_of_relevant,
    recall_at_k,
)
from tfpfd.evaluation.rivals import (
    BiasModel,
    Candidate,
    CatalogueRival,
    PointwiseRival,
    RetrievalRival,
    RivalRows,
    ShownRows,
    ease,
    item_knn,
    popularity,
    register_rival,
)
from tfpfd.evaluation.score_sources import Embeddings

__all__ = [
    "BiasModel",
    "Candidate",
    "CatalogueRival",
    "Comparison",
    "Embeddings",
    "Interval",
    "Irreproducibility",
    "MeasuredRivals",
    "PointwiseRival",
    "RetrievalRival",
    "RivalRows",
    "ShownRows",
    "Standing",
    "auc",
    "compare_pointwise",
    "compare_retrieval",
    "confidence_interval",
    "ease",
    "evaluate_catalogue",
    "evaluate_rows",
    "expected_calibration_error",
    "group_auc",
    "hit_rate_at_k",
    "irreproducibility",
    "item_knn",
    "list_attention",
    "list_exposure",
    "list_ndcg",
    "log_loss",
    "mean_over_lists",
    "mean_over_users",
    "multiplicities",
    "ndcg_at_k",
    "paired_difference",
    "popularity",
    "ranks_of_relevant",
    "recall_at_k",
    "register_rival",
    "reliability",
    "user_bootstrap",
]
