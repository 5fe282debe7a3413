"""Training: rankers, distillation, its baselines, losses and schedules."""

from tfpfd.distillation.auc import AUC
from tfpfd.distillation.auxiliary_tasks import AuxiliaryTasks
from tfpfd.distillation.distillation import Distillation
from tfpfd.distillation.losses import CrossEntropy, SoftCrossEntropy
from tfpfd.distillation.out_of_fold import out_of_fold
from tfpfd.distillation.precomputed_teacher import PrecomputedTeacher, score_rows
from tfpfd.distillation.ranker import Ranker
from tfpfd.distillation.schedule import WarmUp
from tfpfd.distillation.scorer import Scorer

__all__ = [
    "AUC",
    "AuxiliaryTasks",
    "CrossEntropy",
    "Distillation",
    "PrecomputedTeacher",
    "Ranker",
    "Scorer",
    "SoftCrossEntropy",
    "WarmUp",
    "out_of_fold",
    "score_rows",
]
