"""Several objectives: fused teachers, and the baselines beside them."""

from tfpfd.objectives.aggregation import aggregate_labels
from tfpfd.objectives.boost import Boosted
from tfpfd.objectives.fused_towers import FusedTowers, fused
from tfpfd.objectives.fusion import FusedTeachers
from tfpfd.objectives.gating import Gate
from tfpfd.objectives.labels import check_objectives
from tfpfd.objectives.mixtures import PLE, MMoE
from tfpfd.objectives.multi_objective import MultiObjective, SeparateRankers
from tfpfd.objectives.networks import SharedBottom
from tfpfd.objectives.saved import SavedScorer
from tfpfd.objectives.scalarised import Scalarised
from tfpfd.objectives.search import FoundWeights, search_weights
from tfpfd.objectives.weighting import Multipliers

__all__ = [
    "PLE",
    "Boosted",
    "FoundWeights",
    "FusedTeachers",
    "FusedTowers",
    "Gate",
    "MMoE",
    "MultiObjective",
    "Multipliers",
    "SavedScorer",
    "Scalarised",
    "SeparateRankers",
    "SharedBottom",
    "aggregate_labels",
    "check_objectives",
    "fused",
    "search_weights",
]
