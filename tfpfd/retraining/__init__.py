"""Retraining: versions of a student that learn from each other, on disk."""

from tfpfd.retraining.lineage import Version, lineage, save_version
from tfpfd.retraining.retrain import retrain

__all__ = ["Version", "lineage", "retrain", "save_version"]
