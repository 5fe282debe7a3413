"""Several objectives: teachers fused into one soft label."""

from tfpfd.objectives.fusion import FusedTeachers

__all__ = ["FusedTeachers"]
