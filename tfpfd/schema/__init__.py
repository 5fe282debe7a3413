"""What the data holds: features, their sides, and the one lookup of training and serving."""

from tfpfd.schema.batches import raw_batches
from tfpfd.schema.features import Categorical, Feature, Numeric, Sequence
from tfpfd.schema.lookup import Lookup
from tfpfd.schema.schema import Schema, Sees, Side

__all__ = [
    "Categorical",
    "Feature",
    "Lookup",
    "Numeric",
    "Schema",
    "Sees",
    "Sequence",
    "Side",
    "raw_batches",
]
