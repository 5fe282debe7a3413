"""Finished cells on disk, a line each, so that a run can be stopped and continued."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from experiments.grid import Cell, Grid, Metrics, Setting
from tfpfd._files import check_out, write_whole
from tfpfd.evaluation import Interval, confidence_interval
from tfpfd.versions.lock import alone_in

SECONDS = "seconds"
NOTHING = Interval(math.nan, math.nan, math.nan)


class FinishedCells:
    """The finished cells of an experiment in a directory.

    `results.csv` has a line a cell, in the order in which they were finished: its settings, its
    metrics and its seconds. A metric that is an array is there by its first value, the metric on
    the test set, and as a whole in `arrays/<cell>.npz`. `experiment.json` says which experiment
    and which settings the lines belong to. Both are written with the first cell.

    Args:
      directory: made with the first cell, or by `alone`, if it isn't there.
      experiment: whose results.
      seeds: how many; lines of other cells stay in the file and are left out here.

    Raises:
      ValueError: the directory holds the results of another experiment or of other settings, or a
        line that isn't one.
      OSError: the directory can't be read or written to.
    """

    def __init__(self, directory: Path, experiment: Grid, seeds: int) -> None:
        self.directory, self.metrics = Path(directory), experiment.metrics
        self.cells = experiment.cells(seeds)
        self.keys = _common_keys(self.cells)
        self._columns = [*self.keys, *self.metrics, SECONDS]
        self._file = self.directory / "results.csv"
        self._lines: dict[tuple[str, ...], list[str]] = {}
        self._loaded: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
        # What is whole of a file whose last line isn't; another run may just be writing that one.
        self._cut: bytes | None = None
        check_out(self.directory)
        self._manifest = self.directory / "experiment.json"
        self._described = {
            "experiment": experiment.name,
            "settings": experiment.settings(),
            "columns": self._columns,
        }
        self._read()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other runs from the directory until the block ends.

        Raises:
          ValueError: as for the class, of what another run has left there meanwhile.
          OSError: another run is at work there, or the directory can't be made.
        """
        new = not self.directory.exists()
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            with alone_in(self.directory, f"`--out`: '{self.directory}' is being written to"):
                self._read()
                yield
        finally:
            if new:  # Nothing is left behind where no cell gets finished.
                with contextlib.suppress(OSError):
                    self.directory.rmdir()

    def _read(self) -> None:
        """Reads what earlier runs have finished."""
        if self._manifest.exists():
            self._check_manifest()
            self._read_lines()
        elif self._file.exists():
            raise ValueError(
                f"'{self.directory}' holds a results.csv without the experiment.json that says "
                "what it is of: choose another `--out`"
            )

    def _check_manifest(self) -> None:
        """Refuses the results of something else."""
        try:
            found = json.loads(self._manifest.read_text())
            found = {key: found[key] for key in self._described}
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"'{self._manifest}' can't be read: choose another `--out`") from None
        for key, value in json.loads(json.dumps(self._described)).items():
            if found[key] != value:
                raise ValueError(
                    f"'{self.directory}' holds results of other {key}: expected {value}, found "
                    f"{found[key]}; choose another `--out`"
                )

    def _read_lines(self) -> None:
        """Reads the finished lines, not one that a kill left unfinished."""
        written = self._file.read_bytes() if self._file.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        self._cut = whole if whole != written else None
        if not whole:
            return
        header, *lines = csv.reader(io.StringIO(whole.decode(), newline=""))
        if header != self._columns:
            raise ValueError(
                f"'{self._file}' must have the columns {self._columns}, received {header}"
            )
        for number, line in enumerate(lines, start=2):
            try:
                if len(line) != len(self._columns):
                    raise ValueError
                [float(value) for value in line[len(self.keys) :] if value]
            except ValueError:
                raise ValueError(
                    f"'{self._file}', line {number}, must have {len(self.keys)} settings and "
                    f"{len(self.metrics) + 1} numbers, received {','.join(line)!r}"
                ) from None
            self._lines[tuple(line[: len(self.keys)])] = line

    def _key(self, cell: Cell) -> tuple[str, ...]:
        return tuple(str(cell[key]) for key in self.keys)

    @property
    def missing(self) -> list[Cell]:
        """The cells that aren't finished, in their order."""
        return [cell for cell in self.cells if self._key(cell) not in self._lines]

    def append(self, cell: Cell, metrics: Metrics, seconds: float) -> None:
        """Writes a finished cell: its arrays first, so that a line always has them.

        Args:
          cell: one of `cells`.
          metrics: numbers, and arrays `[1 + resamples]`.
          seconds: that it took.

        Raises:
          ValueError: a metric that the experiment doesn't name, or an array of another rank.
        """
        unknown = sorted(set(metrics) - set(self.metrics))
        if unknown:
            raise ValueError(f"metrics must be of {self.metrics}, received {unknown}")
        values = {name: np.asarray(value, np.float64) for name, value in metrics.items()}
        for name, value in values.items():
            if value.ndim > 1 or value.size == 0:
                raise ValueError(
                    f"metric '{name}' must be a number or an array [1 + resamples], received "
                    f"shape {value.shape}"
                )
        arrays = {name: value for name, value in values.items() if value.ndim}
        self.directory.mkdir(parents=True, exist_ok=True)
        if arrays:
            stream = io.BytesIO()
            np.savez_compressed(stream, **arrays)
            self._arrays(cell).parent.mkdir(exist_ok=True)
            write_whole(self._arrays(cell), stream.getvalue())
        first = {name: repr(float(value.flat[0])) for name, value in values.items()}
        numbers = [*(first.get(name, "") for name in self.metrics), f"{seconds:.3f}"]
        line = [*self._key(cell), *numbers]
        if not self._lines:
            write_whole(self._manifest, json.dumps(self._described, indent=2).encode())
            write_whole(self._file, _csv_line(self._columns))
        elif self._cut is not None:
            write_whole(self._file, self._cut)
        self._cut = None
        with self._file.open("ab") as file:
            file.write(_csv_line(line))
        self._lines[self._key(cell)] = line
        self._loaded.pop(self._key(cell), None)

    def _arrays(self, cell: Cell) -> Path:
        name = ",".join(f"{key}={cell[key]}" for key in self.keys)
        return self.directory / "arrays" / f"{quote(name, safe='=, ')}.npz"

    @property
    def frame(self) -> pd.DataFrame:
        """The finished cells in their order: settings, metrics (nan for one not there), seconds."""
        rows: list[dict[str, Any]] = []
        for cell in self.cells:
            line = self._lines.get(self._key(cell))
            if line is not None:
                numbers = (float(value or "nan") for value in line[len(self.keys) :])
                rows.append({**cell, **dict(zip([*self.metrics, SECONDS], numbers, strict=True))})
        return pd.DataFrame(rows, columns=self._columns)

    def present(self, titles: Mapping[str, str]) -> dict[str, str]:
        """Those of `titles`, by metric, whose metric some finished cell has."""
        found = self.frame.notna().any()
        return {metric: title for metric, title in titles.items() if found[metric]}

    def values(self, metric: str, **settings: Setting) -> dict[int, np.ndarray]:
        """A metric by seed.

        Args:
          metric: its name.
          **settings: the cells' settings but the seed; those that don't differ may be left out.

        Returns:
          Arrays `[1 + resamples]`, of one value if the metric is a number. A seed whose cell isn't
          finished, or doesn't have the metric, isn't there.

        Raises:
          ValueError: several cells of a seed have these settings.
        """
        found: dict[int, np.ndarray] = {}
        for cell in self.cells:
            if any(cell[key] != value for key, value in settings.items()):
                continue
            line = self._lines.get(self._key(cell))
            if line is None:
                continue
            first = line[len(self.keys) + self.metrics.index(metric)]
            if not first:
                continue
            seed = int(cell["seed"])
            if seed in found:
                raise ValueError(f"`settings` must leave one cell a seed, received {settings}")
            found[seed] = self._array(cell, metric, float(first))
        return found

    def _array(self, cell: Cell, metric: str, first: float) -> np.ndarray:
        key = self._key(cell)
        if key not in self._loaded:  # A report asks for each of them dozens of times.
            path, self._loaded[key] = self._arrays(cell), {}
            if path.exists():
                with np.load(path) as arrays:
                    self._loaded[key] = dict(arrays)
        return self._loaded[key].get(metric, np.array([first]))

    def interval(self, metric: str, **settings: Setting) -> Interval:
        """Interval for the mean of a metric over seeds, and test users if it has resamples.

        Args:
          metric: its name.
          **settings: as for `values`.

        Returns:
          The interval; of nan if nothing is finished, with ends of nan if one seed is: test users
          alone don't tell what another training would give.
        """
        return over_seeds([*self.values(metric, **settings).values()])

    def difference(self, metric: str, a: Cell, b: Cell) -> Interval:
        """Interval for the mean of a metric at the settings `a` minus that at `b`, paired by seed.

        Over the seeds that both have, as `tfpfd.evaluation.paired_difference`.

        Args:
          metric: its name.
          a: settings as for `values`.
          b: settings as for `values`.

        Returns:
          The interval; of nan as for `interval`.
        """
        of_a, of_b = self.values(metric, **a), self.values(metric, **b)
        return over_seeds([of_a[seed] - of_b[seed] for seed in of_a if seed in of_b])


def over_seeds(values: Sequence[np.ndarray]) -> Interval:
    """The interval of values `[1 + resamples]` a seed; see `FinishedCells.interval` for one."""
    if not values:
        return NOTHING
    return confidence_interval(np.stack(values) if len(values) > 1 else values[0][:1])


def _common_keys(cells: Sequence[Cell]) -> list[str]:
    """The keys of all cells; refuses a grid that results can't be told apart by."""
    keys = list(cells[0]) if cells else []
    if "seed" not in keys or any(list(cell) != keys for cell in cells):
        raise ValueError(
            f"cells must have the same keys, 'seed' among them, received {cells[:3]} …"
        )
    if len({tuple(map(str, cell.values())) for cell in cells}) < len(cells):
        raise ValueError("cells must differ, received one of them twice")
    return keys


def _csv_line(fields: Sequence[str]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(fields)
    return stream.getvalue().encode()
