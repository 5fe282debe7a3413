"""Serving: exports, their item tables, and the proof of what is inside."""

from tfpfd.serving.export import export
from tfpfd.serving.inspection import Inspection, inspect_export
from tfpfd.serving.item_embeddings import embed_items
from tfpfd.serving.ranker_module import ServedRankers
from tfpfd.serving.refresh import refresh
from tfpfd.serving.saved_embeddings import saved_embeddings
from tfpfd.serving.saved_scores import saved_scores
from tfpfd.serving.signatures import RequestInput, Signature
from tfpfd.serving.two_tower_module import ServedCatalogue, Towers

__all__ = [
    "Inspection",
    "RequestInput",
    "ServedCatalogue",
    "ServedRankers",
    "Signature",
    "Towers",
    "embed_items",
    "export",
    "inspect_export",
    "refresh",
    "saved_embeddings",
    "saved_scores",
]
