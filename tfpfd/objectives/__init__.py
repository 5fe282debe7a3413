"""Several objectives, and versions of a model that learn from each other."""

from tfpfd.objectives.lineage import Version, lineage, save_version
from tfpfd.objectives.retrain import retrain

__all__ = ["Version", "lineage", "retrain", "save_version"]
