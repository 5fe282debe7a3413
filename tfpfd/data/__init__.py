"""From rows to batches: datasets for `model.fit`, and a sampler of unexposed candidates."""

from tfpfd.data.dataset import from_rows, from_stream
from tfpfd.data.lists import LIST
from tfpfd.data.positives import from_positives
from tfpfd.data.unexposed import sample_unexposed

__all__ = ["LIST", "from_positives", "from_rows", "from_stream", "sample_unexposed"]
