"""The signatures of exports: one file each, and the table that exporting, `inspect` and the warm-up
requests read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfpfd.schema import Schema
from tfpfd.serving.signatures.embedding import Embedding
from tfpfd.serving.signatures.rank import Rank
from tfpfd.serving.signatures.score import Score
from tfpfd.serving.signatures.score_candidates import ScoreCandidates
from tfpfd.serving.signatures.signature import RequestInput, Sample, Signature
from tfpfd.serving.signatures.top_k import DefaultTopK, TopK
from tfpfd.serving.signatures.top_k_where import TopKWhere

OF_A_CATALOGUE: tuple[Signature, ...] = (
    DefaultTopK(),
    TopK(),
    TopKWhere(),
    Embedding("user"),
    Embedding("item"),
    ScoreCandidates(),
)
OF_A_RANKER: tuple[Signature, ...] = (Score(),)
OF_RANKERS: tuple[Signature, ...] = (Rank(),)
OF_A_SIDE: dict[str, tuple[Signature, ...]] = {
    "user": (Embedding("user"),),
    "item": (Embedding("item"),),
}


def request_samples(schema: Schema, facts: Mapping[str, Any]) -> dict[str, dict[str, Sample]]:
    """What requests hold besides features, and a sample of it, by signature and input.

    Args:
      schema: the served schema.
      facts: of the manifest: `signatures` that the export has of its own, and `k` and `attributes`
        where there are items.
    """
    # Those without items take features alone. What a manifest says of the others changes nothing.
    known = OF_A_CATALOGUE if facts.get("k") else (*OF_A_RANKER, *OF_RANKERS)
    samples = {one.name: samples_of(one, schema, facts.get("attributes") or ()) for one in known}
    return {**(facts.get("signatures") or {}), **samples}


def samples_of(signature: Signature, schema: Schema, attributes: Any) -> dict[str, Sample]:
    """The samples of one signature, by input."""
    return {name: one.sample for name, one in signature.inputs(schema, attributes).items()}


__all__ = [
    "OF_A_CATALOGUE",
    "OF_A_RANKER",
    "OF_A_SIDE",
    "OF_RANKERS",
    "RequestInput",
    "Signature",
    "request_samples",
    "samples_of",
]
