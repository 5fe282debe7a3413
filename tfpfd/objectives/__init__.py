"""Several objectives: teachers fused into one soft label."""

from tfpfd.objectives.boost import Boosted
from tfpfd.objectives.fusion import FusedTeachers
from tfpfd.objectives.gating import Gate
from tfpfd.objectives.saved import SavedScorer

__all__ = ["Boosted", "FusedTeachers", "Gate", "SavedScorer"]
