"""What a reader calls metrics, and is told of trainings that are compared."""

from __future__ import annotations

METRICS = {
    "auc": "AUC",
    "group_auc": "group AUC",
    "log_loss": "log loss",
    "ece": "ECE",
    "recall@50": "recall@50",
    "ndcg@10": "NDCG@10",
}
OF_LISTS = {"list_ndcg": "NDCG in lists", "list_loss": "list log loss"}

ABOUT = {
    "base": "the student alone",
    "self": "its teacher sees served features only",
    "shuffled": "the teacher's privileged features are permuted",
    "zeroed": "the teacher's privileged features are all missing",
    "distilled": "its teacher sees the privileged features",
}


def title_of(metric: str) -> str:
    """What a reader calls a metric."""
    known = {**METRICS, **OF_LISTS}
    name, at, k = metric.partition("@")
    return known.get(metric, f"{name.replace('ndcg', 'NDCG').replace('_', ' ')}{at}{k}")
