"""Several objectives: fused teachers, and the baselines beside them."""

from tfpfd.objectives.aggregation import aggregate_labels
from tfpfd.objectives.boost import RuleBoost
from tfpfd.objectives.fused_towers import FusedTowers, fuse_scores
from tfpfd.objectives.fusion import FusedTeachers
from tfpfd.objectives.gating import FusionGate
from tfpfd.objectives.mixtures import PLE, MMoE
from tfpfd.objectives.multi_task_ranker import MultiTaskRanker, SeparateRankers
from tfpfd.objectives.networks import SharedBottom
from tfpfd.objectives.objective_labels import check_objectives
from tfpfd.objectives.objectives_model import ObjectivesModel
from tfpfd.objectives.saved_scorer import SavedScorer
from tfpfd.objectives.scalarised import Scalarised
from tfpfd.objectives.search import FoundWeights, search_weights
from tfpfd.objectives.weighting import EpsilonConstraint

__all__ = [
    "PLE",
    "EpsilonConstraint",
    "FoundWeights",
    "FusedTeachers",
    "FusedTowers",
    "FusionGate",
    "MMoE",
    "MultiTaskRanker",
    "ObjectivesModel",
    "RuleBoost",
    "SavedScorer",
    "Scalarised",
    "SeparateRankers",
    "SharedBottom",
    "aggregate_labels",
    "check_objectives",
    "fuse_scores",
    "search_weights",
]
