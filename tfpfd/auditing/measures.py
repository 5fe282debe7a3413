"""What an audit measures, and what its report calls it: labels of rows, or a ranked catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditMeasures:
    """What is measured, and in which words.

    Args:
      metrics: of the students, on the test.
      loss: the metric of validation by which settings of the base are compared.
      of_teachers: the metric of teachers and of what they rest on; None: the primary one.
      labelled: what a reader calls the rows that say something of themselves.
      unlabelled: what a reader calls those beside them.
      test: what a reader calls what is tested.
      needed: what there must be for a metric to have a value.
    """

    metrics: tuple[str, ...]
    loss: str
    of_teachers: str | None
    labelled: str
    unlabelled: str
    test: str
    needed: str


ROW_METRICS = ("auc", "group_auc", "log_loss", "ece")
LIST_METRICS = ("list_ndcg", "list_loss")
ROWS = AuditMeasures(
    metrics=ROW_METRICS,
    loss="log_loss",
    of_teachers=None,
    labelled="rows with a label",
    unlabelled="rows without",
    test="rows",
    needed="rows of both labels",
)


def of_catalogue(metric: str) -> AuditMeasures:
    """Ranking a catalogue.

    Teachers need a cross feature for every candidate, so they are measured on the lists that are
    drawn, and the students too, to stand beside them.

    Args:
      metric: the primary one.
    """
    return AuditMeasures(
        metrics=tuple(dict.fromkeys((metric, "recall@50", "ndcg@10", *LIST_METRICS))),
        loss="list_loss",
        of_teachers="list_ndcg",
        labelled="choices",
        unlabelled="items drawn beside them",
        test="choices",
        needed="items to find",
    )
