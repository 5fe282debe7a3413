"""From rows to batches: datasets for `model.fit`, a sampler of candidates, past features."""

from tfpfd.data.dataset import from_rows, from_stream
from tfpfd.data.lists import LIST
from tfpfd.data.past_features import PastFeatures
from tfpfd.data.unexposed import sample_unexposed

__all__ = ["LIST", "PastFeatures", "from_rows", "from_stream", "sample_unexposed"]
