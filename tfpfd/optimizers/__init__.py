"""Optimizers whose step time does not depend on the size of the vocabularies, and schedules."""

from tfpfd.optimizers.linear_warmup import LinearWarmup
from tfpfd.optimizers.row_wise_adagrad import RowWiseAdagrad

__all__ = ["LinearWarmup", "RowWiseAdagrad"]
