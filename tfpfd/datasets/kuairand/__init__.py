"""KuaiRand-Pure."""

from __future__ import annotations

from pathlib import Path

from tfpfd.datasets.kuairand.data import KuaiRand, kuairand_pure
from tfpfd.datasets.registry import Registered, register

__all__ = ["KuaiRand", "kuairand_pure", "load"]


def load(path: Path | None, task: str = "click") -> KuaiRand:
    """KuaiRand for a task from its folder.

    Raises:
      ValueError: no folder is given; else as of `kuairand_pure`.
    """
    if path is None:
        raise ValueError("`--data kuairand` needs the folder of its files: `kuairand:PATH`")
    return kuairand_pure(path, task)


register(Registered("kuairand", load))
