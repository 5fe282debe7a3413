"""From rows to batches: datasets for `model.fit`, strictly past features, drawn candidates."""

from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.dataset import from_rows, from_stream
from tfpfd.data.list_ids import LIST
from tfpfd.data.past_features import PastFeatures
from tfpfd.data.positives import from_positives
from tfpfd.data.splits import Splits
from tfpfd.data.unexposed import sample_unexposed

__all__ = [
    "LIST",
    "CatalogueSplits",
    "PastFeatures",
    "Splits",
    "from_positives",
    "from_rows",
    "from_stream",
    "sample_unexposed",
]
