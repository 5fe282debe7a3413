"""Serving: exports, their item tables, and the proof of what is inside."""

from tfpfd.serving.embeddings import saved_embeddings
from tfpfd.serving.export import export
from tfpfd.serving.inspection import Inspection, inspect
from tfpfd.serving.items import embed_items
from tfpfd.serving.refresh import refresh
from tfpfd.serving.scores import saved_scores

__all__ = [
    "Inspection",
    "embed_items",
    "export",
    "inspect",
    "refresh",
    "saved_embeddings",
    "saved_scores",
]
