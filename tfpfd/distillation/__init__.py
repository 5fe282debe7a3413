"""Training: rankers, distillation, losses and schedules."""

from tfpfd.distillation.distillation import Distillation
from tfpfd.distillation.losses import CrossEntropy, SoftCrossEntropy
from tfpfd.distillation.ranker import Ranker
from tfpfd.distillation.schedule import WarmUp

__all__ = ["CrossEntropy", "Distillation", "Ranker", "SoftCrossEntropy", "WarmUp"]
