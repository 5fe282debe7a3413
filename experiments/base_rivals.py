"""Rivals of an experiment's base: computed once a folder, kept there, first in its report."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.experiment import Experiment, Section
from experiments.finished_cells import FinishedCells
from tfpfd._files import write_whole
from tfpfd.evaluation import confidence_interval
from tfpfd.evaluation.intervals import level
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.rivals import title_of_rival
from tfpfd.evaluation.titles import title_of

FILE = "rivals.npz"


def lacking(experiment: Experiment, directory: Path) -> bool:
    """Whether rivals are still to be computed.

    Args:
      experiment: whose.
      directory: of its results.
    """
    return bool(experiment.bases()) and not (directory / FILE).exists()


def keep(experiment: Experiment, directory: Path) -> None:
    """Computes the rivals and writes them, if they aren't there.

    Args:
      experiment: prepared, if they are lacking.
      directory: of its results; it says already whose they are.
    """
    if lacking(experiment, directory):
        stream = io.BytesIO()
        np.savez_compressed(stream, **experiment.rivals().arrays())
        write_whole(directory / FILE, stream.getvalue())


def read(directory: Path) -> MeasuredRivals:
    """The rivals that are kept in a directory; none if there is no file of them."""
    path = directory / FILE
    if not path.exists():
        return MeasuredRivals()
    with np.load(path) as arrays:
        return MeasuredRivals.of(dict(arrays))


def section(experiment: Experiment, results: FinishedCells) -> list[Section]:
    """What a report begins with: in a sentence a base, how it stands, and beside it its rivals.

    Args:
      experiment: with `bases`; of others there is no section.
      results: finished cells; bases of which none is finished are left out.
    """
    rivals = read(results.directory)
    if not rivals.metrics:
        return []
    names = list(next(iter(rivals.metrics.values())))
    sentences, rows = [], []
    caveats: list[str] = []
    for rival, found in rivals.metrics.items():
        levels = {title_of(m): level(confidence_interval(found[m])) for m in names}
        rows.append({"": title_of_rival(rival), **levels})
    for base, cell in experiment.bases().items():
        of_seeds = {m: [*results.values(m, **cell).values()] for m in names}
        if not all(of_seeds.values()):
            continue
        values = {m: np.stack(found) for m, found in of_seeds.items()}
        beside = rivals.beside({"base": values}, names[0])
        standing, caveats = beside.standing, beside.caveats
        sentences.append(standing.sentence(f"The {base}", title_of_rival(standing.rival)))
        levels = {title_of(m): level(confidence_interval(values[m])) for m in names}
        rows.append({"": base, **levels})
    chosen = ", ".join(f"{title_of_rival(r)}: {s}" for r, s in rivals.settings.items() if s)
    sentences += caveats
    sentences.append(f"{experiment.about_rivals} Chosen on validation rows: {chosen}.".strip())
    return [Section("Base and rivals", "\n\n".join(sentences), pd.DataFrame(rows))]
