"""Optimizers whose step time does not depend on the size of the vocabularies."""

from tfpfd.optimizers.row_wise_adagrad import RowWiseAdagrad

__all__ = ["RowWiseAdagrad"]
