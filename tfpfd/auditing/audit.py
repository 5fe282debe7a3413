"""The audit: trains all arms over seeds and sizes, and measures them on the same test users."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from tfpfd._arguments import check_integer
from tfpfd.auditing.arm_trainings import ArmTrainings, cell_name
from tfpfd.auditing.arms import MakeStudent, MakeTeacher, Recipe, arms_of
from tfpfd.auditing.catalogue_trainings import CatalogueTrainings
from tfpfd.auditing.cells import Cells
from tfpfd.auditing.checks import check_arguments, check_budget, check_makers
from tfpfd.auditing.identity import identity
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.auditing.report import Report
from tfpfd.auditing.results import Results
from tfpfd.auditing.row_trainings import RowTrainings
from tfpfd.auditing.tuning import Setting, search, settings_for
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.splits import SplitRows
from tfpfd.evaluation.intervals import RESAMPLES, FloatArray
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.titles import title_of
from tfpfd.schema import Sees

# A raw id with fewer labelled rows than this for each of its values is learned by heart.
_ROWS_PER_VALUE = 10


def audit(
    make_student: MakeStudent,
    make_teacher: MakeTeacher,
    data: SplitRows | CatalogueSplits,
    seeds: int = 5,
    *,
    metric: str | None = None,
    sizes: Sequence[float] = (1.0,),
    sees: Sees = "all",
    learning_rate: float = 2e-3,
    distillation_weight: float = 0.5,
    warm_up: int = 1,
    epochs: int = 20,
    patience: int = 3,
    batch_size: int = 1024,
    multipliers: Sequence[float] = (0.3, 3.0),
    resamples: int = RESAMPLES,
    out: str | os.PathLike | None = None,
    verbose: int | bool = 1,
) -> Report:
    """Do privileged features help my student, or is it only regularisation?

    >>> from tfpfd import MLP, Ranker, datasets
    >>> def make_student(schema):
    ...     return Ranker(schema, MLP([8], batch_norm=False))
    >>> def make_teacher(schema, sees, student):
    ...     return Ranker(schema, MLP([8], batch_norm=False), sees=sees)
    >>> data = datasets.mediator(rows=200, unlabelled=300)
    >>> report = audit(make_student, make_teacher, data, seeds=2, multipliers=(), verbose=0)
    >>> report.verdict.kind in ("helps", "regularisation only", "hurts", "can't tell")
    True
    >>> {"base", "self", "shuffled", "zeroed", "distilled"} <= set(report.to_frame()["arm"])
    True

    Trains the student alone (**base**), **distilled** from a teacher that sees privileged features,
    and with three teachers that know nothing more than it does: **self** (sees served features
    only), **shuffled** (privileged features permuted in training) and **zeroed** (all of them row
    0 of their table, as a missing value is written, so the network is the same and its input a
    constant). Every arm starts from the same student, meets the same batches in the same order,
    may take the same number of steps, and is stopped early by the student's validation loss.
    Rows without a label go into the batches of base too, where they weigh nothing.

    The features *help* only if the distilled student is better than base and than every control,
    with intervals over seeds and test users that exclude zero; see `tfpfd.auditing.verdict`.

    **The rivals.** A teacher may lift a base that is badly trained, and so may anything else. So
    what an expert would have tried first is tuned on the same validation rows and stands beside it
    (docs/protocol.md). Where base is below one of them beyond doubt the verdict begins with that:
    "Your base is below popularity: fix that first". Rivals of rows need scikit-learn; without it
    the report says that there are none.

    **Two tasks.** Rows (`Splits`, a built-in dataset) have a label given that something was shown.
    Of a catalogue (`CatalogueSplits`, or `catalogue()` of a built-in dataset) it is known what
    users chose: a student, which must be a `TwoTower`, learns from lists of that and of items drawn
    beside it, by `ListwiseSoftmax` and `SoftListwiseSoftmax`, and is measured by what it finds of
    all items that a user wasn't shown before. Training stops by the list loss on validation lists,
    without penalties: it moves with every score, where recall only does with those that cross the
    k-th place. Teachers, who would need a cross feature for every item, are measured by the NDCG
    within the lists of the test.

    **The search for the base.** First, base is trained with one seed as given and with the
    learning rate times each of `multipliers`; and, if `make_student` takes an argument
    `regularization`, with that set to each of them (1 is what you would use: multiply your
    penalties or dropout by it). Another setting is taken, for all arms, and a warning given, only
    if its validation loss is better beyond the sampling of validation users. As it is the
    base that is tuned, the others have no advantage by it. The number of epochs needs no search,
    as every arm stops early; that the last one was the best is warned of.

    **The metric.** Of rows AUC by default: it is the papers', has a meaning where a user has few
    rows, and isn't moved by a mere change of calibration, which any soft label brings.
    `"group_auc"` is nearer to what a ranking within a user's candidates is worth, where users have
    enough rows of both labels; `"log_loss"` is for predicted rates that are used as such. Of a
    catalogue recall@50 by default. Sample weights count in training, not in these metrics.

    Args:
      make_student: makes a student, a `Ranker`, from an adapted schema.
      make_teacher: makes a teacher, a `Ranker`, from an adapted schema, the features that it shall
        see, and the student, whose encoder it may share.
      data: training, validation and test rows with all features, and the schema:
        `tfpfd.Splits`, or a built-in dataset. Its `user_key`, or else the `list_key` of the schema,
        is the column of the user id. Or `tfpfd.CatalogueSplits`. Where the schema isn't adapted it
        is, to all training rows.
      seeds: number of trainings of each arm.
      metric: the primary metric: of rows `"auc"` (the default), `"group_auc"` or `"log_loss"`; of
        a catalogue `"recall@k"`, `"ndcg@k"` or `"hit_rate@k"` of any k, by default recall@50.
      sizes: shares of the training rows to train with, ascending; the verdict goes by the last.
      sees: what the distilled student's teacher sees, `"all"` or `"privileged"` features alone.
      learning_rate: of Adam.
      distillation_weight: λ.
      warm_up: epochs before the teacher counts.
      epochs: at most.
      patience: epochs without a better validation loss before training stops.
      batch_size: rows a batch, with and without a label; of a catalogue in whole lists.
      multipliers: what the search for the base tries; none: no search.
      resamples: of the test users.
      out: a folder; what each training gave is kept in its `cells/`, and an audit that was killed
        goes on from there. More seeds or sizes train what they add.
      verbose: 0: silent, 1: a progress bar with the time left, which needs rich.

    Returns:
      The report: its verdict, its figures as a frame, and itself as Markdown and HTML.

    Raises:
      ValueError: an argument out of range, no privileged features or user column, a column that
        is missing, labels that can't be compared, a teacher that sees other features, a student of
        a catalogue that is no `TwoTower`, a user who was shown all items, an `out`
        with cells of other rows, networks or arguments, or with damaged ones.
      TypeError: `make_student` or `make_teacher` is no function or makes no `Ranker`, `data` has
        no parts.
      OSError: `out` can't be written to, or another audit is at work there.
      ImportError: SciPy is missing, or rich if `verbose` is set.
    """
    kind: type[ArmTrainings] = (
        CatalogueTrainings if isinstance(data, CatalogueSplits) else RowTrainings
    )
    check_arguments(seeds, sizes, sees, multipliers)
    metric = kind.primary(metric)
    check_integer("resamples", resamples, least=1)
    check_budget(learning_rate, distillation_weight, warm_up, epochs, patience, batch_size)
    kind.check_data(data)
    schema = kind.adapted(data)
    check_makers(make_student, make_teacher, schema, sees, kind.check_student)
    recipe = Recipe(
        make_student,
        make_teacher,
        learning_rate,
        distillation_weight,
        warm_up,
        epochs,
        patience,
        kind.losses,
    )
    settings = settings_for(make_student, multipliers)
    arms = arms_of(sees)
    trainings = kind.prepare(data, schema, recipe, batch_size, resamples, metric)
    settings = settings if len(settings) > 1 else []
    names = [
        *(setting.cell_name for setting in settings),
        *(cell_name(arm, size, seed) for size in sizes for seed in range(seeds) for arm in arms),
    ]
    beside = f"rivals,size={float(max(sizes))!r}"
    multiples = {"multipliers": [float(factor) for factor in multipliers]}
    cells = Cells(out, {} if out is None else {**identity(trainings, sees, resamples), **multiples})
    with cells.alone([beside, *names]):
        left = sum(name not in cells for name in names)
        if verbose and left < len(names):
            print(f"{len(names) - left} of {len(names)} trainings are finished already")
        with TrainingProgress(left, epochs, show=bool(verbose)) as progress:
            measured_rivals = _rivals(trainings, max(sizes), beside, progress, cells)
            loss = title_of(trainings.measures.loss)
            tuning = search(settings, lambda one: _tried(trainings, one, progress, cells), loss)
            tuned = dataclasses.replace(trainings, recipe=tuning.chosen.applied(recipe))
            measured = {
                float(size): tuned.measure(arms, size, seeds, progress, cells) for size in sizes
            }
    rows, users = trainings.tested
    results = Results(
        metric=metric,
        sees=sees,
        sizes=measured,
        max_epochs=epochs,
        tuning=tuning,
        sparse_ids=_sparse_ids(trainings, measured[max(measured)].labelled),
        test_rows=rows,
        test_users=users,
        settings={
            "seeds": seeds,
            "teacher sees": sees,
            "λ": distillation_weight,
            "warm-up (epochs)": warm_up,
            "learning rate": tuned.recipe.learning_rate,
            "rows a batch": batch_size,
            "at most (epochs)": epochs,
            "patience (epochs)": patience,
        },
        measures=trainings.measures,
        rivals=measured_rivals,
    )
    return Report(results)


def _rivals(
    trainings: ArmTrainings, share: float, name: str, progress: TrainingProgress, cells: Cells
) -> MeasuredRivals:
    """The rivals, which are fitted if they must be; that some are lacking is kept nowhere."""
    if name in cells:
        return MeasuredRivals.of(cells.of(name, dict))
    progress.show("rivals of the base")
    found = trainings.rivals(share)
    return found if found.lacking else MeasuredRivals.of(cells.of(name, found.arrays))


def _tried(
    trainings: ArmTrainings, setting: Setting, progress: TrainingProgress, cells: Cells
) -> FloatArray:
    """The validation loss of a base with this setting, which is trained if it must be."""
    found = cells.of(setting.cell_name, lambda: dict(trainings.try_base(setting, progress)))
    return found[trainings.measures.loss]


def _sparse_ids(trainings: ArmTrainings, labelled: int) -> tuple[str, ...]:
    """Served features whose values have few labelled rows each."""
    schema = trainings.schema
    return tuple(
        name
        for name, feature in schema.features("served").items()
        if name in trainings.raw_ids
        and feature.is_id
        and labelled < _ROWS_PER_VALUE * schema.table_rows(feature)
    )
