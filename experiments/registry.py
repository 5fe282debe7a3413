"""The experiments by name."""

from __future__ import annotations

from experiments.all_methods import CoarseCTR, FineCVR
from experiments.distillation_weight import DistillationWeight
from experiments.experiment import Experiment
from experiments.objectives.boost import Boost
from experiments.objectives.irreproducibility import IrreproducibilityExperiment
from experiments.objectives.multi_objective import MultiObjective
from experiments.objectives.self_distillation import SelfDistillation
from experiments.rare_label import RareLabel
from experiments.recent_likes import RecentLikes
from experiments.sharing import Sharing
from experiments.synthetic import Synthetic
from experiments.teacher_strength import TeacherStrength
from experiments.warm_up import WarmUpExperiment

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
