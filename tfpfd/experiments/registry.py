"""The experiments by name."""

from __future__ import annotations

from tfpfd.experiments.all_methods import CoarseCTR, FineCVR
from tfpfd.experiments.distillation_weight import DistillationWeight
from tfpfd.experiments.experiment import Experiment
from tfpfd.experiments.objectives.boost import Boost
from tfpfd.experiments.objectives.irreproducibility import IrreproducibilityExperiment
from tfpfd.experiments.objectives.multi_objective import MultiObjective
from tfpfd.experiments.objectives.self_distillation import SelfDistillation
from tfpfd.experiments.rare_label import RareLabel
from tfpfd.experiments.recent_likes import RecentLikes
from tfpfd.experiments.sharing import Sharing
from tfpfd.experiments.synthetic import Synthetic
from tfpfd.experiments.teacher_strength import TeacherStrength
from tfpfd.experiments.warm_up import WarmUpExperiment

EXPERIMENTS: dict[str, type[Experiment]] = {
    kind.name: kind
    for kind in (
        CoarseCTR,
        FineCVR,
        DistillationWeight,
        Sharing,
        WarmUpExperiment,
        TeacherStrength,
        RareLabel,
        RecentLikes,
        Synthetic,
        SelfDistillation,
        IrreproducibilityExperiment,
        MultiObjective,
        Boost,
    )
}


def find(name: str) -> type[Experiment]:
    """The experiment of a name.

    Args:
      name: of it.

    Raises:
      ValueError: there is none.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"there is no experiment '{name}'; there is {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
