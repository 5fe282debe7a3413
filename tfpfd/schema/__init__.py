"""What the data holds: features, their sides, and the one lookup of training and serving."""

from tfpfd.schema.batches import raw_batches
from tfpfd.schema.behaviour import Behaviour
from tfpfd.schema.categorical import Categorical
from tfpfd.schema.feature import Feature
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.learner import Learner
from tfpfd.schema.lookup import Lookup
from tfpfd.schema.numeric import Numeric
from tfpfd.schema.schema import Schema, Sees, Side
from tfpfd.schema.sequence import Sequence
from tfpfd.schema.table_requests import Asked, Embedded
from tfpfd.schema.vector import Vector

__all__ = [
    "Asked",
    "Behaviour",
    "Categorical",
    "Embedded",
    "Feature",
    "Learner",
    "Lookup",
    "Numeric",
    "Schema",
    "Sees",
    "Sequence",
    "Side",
    "Vector",
    "raw_batches",
    "register_kind",
]
