"""The machine and the packages that figures come from."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpfd._keras import KERAS_3
from tfpfd.version import __version__


def machine() -> str:
    """One line on where figures come from: processor, Python, and versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        model = found[1] if found else model
    return (
        f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, TensorFlow "
        f"{tf.__version__}, {'Keras 3' if KERAS_3 else 'Keras 2'}, NumPy {np.__version__}, tfpfd "
        f"{__version__}"
    )
