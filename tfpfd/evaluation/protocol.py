"""The protocol: models measured beside what an expert would have tried first, by one rule.

Rivals are fitted on training rows, their settings chosen on validation rows, and all are measured
on the same test rows and the same resamples of the test users.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfpfd._arguments import check_flag, names_in
from tfpfd.evaluation.catalogue import evaluate_catalogue, names_and_lengths
from tfpfd.evaluation.compared_models import (
    Catalogue,
    check_names,
    check_scores,
    check_seeds,
    scorers_of,
    scores_of_rows,
)
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.differences import stacked
from tfpfd.evaluation.intervals import FloatArray, multiplicities
from tfpfd.evaluation.metrics import evaluate_rows
from tfpfd.evaluation.rivals import POINTWISE, RETRIEVAL
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival, history_of
from tfpfd.evaluation.rivals.shown_rows import RivalRows
from tfpfd.evaluation.rivals.tuning import pointwise_rivals, retrieval_rivals
from tfpfd.evaluation.score_sources import source_of
from tfpfd.evaluation.user_item_pairs import pairs_of
from tfpfd.schema import Schema
from tfpfd.schema.schema import check_schema

if TYPE_CHECKING:
    from scipy import sparse

    from tfpfd.evaluation.user_item_pairs import ItemsOfUsers


def compare_pointwise(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    schema: Schema,
    models: Mapping[str, Any],
    item_key: str,
    user_key: str | None = None,
    base: str = "base",
    metrics: Collection[str] = ("auc", "group_auc", "log_loss", "ece"),
    from_logits: bool = False,
) -> Comparison:
    """Models of labels given what was shown, beside biases, logistic regression and boosted trees.

    >>> import numpy as np
    >>> from tfpfd import Categorical
    >>> random, user, item = np.random.default_rng(0), "user", "item"
    >>> rows = pd.DataFrame({name: random.integers(0, 9, 900) for name in (user, item)})
    >>> rows["label"] = (random.random(900) < rows["item"] / 8).astype(float)
    >>> found = compare_pointwise(
    ...     rows[:300], rows[300:600], rows[600:],
    ...     Schema(user=[Categorical(user, dtype="int")], item=[Categorical(item, dtype="int")]),
    ...     models={"base": np.full(300, 0.5)}, item_key=item, user_key=user,
    ... )
    >>> ": fix that first (auc " in found.first_line
    True

    Rivals see the served features of the schema, and "bias" the user and the item alone. More of
    them are made known by `register_rival`.

    Args:
      train: rows that the rivals are fitted on; those without a label (NaN) are left out.
      validation: rows that their settings are chosen on, by the first of `metrics`.
      test: rows that all are measured on.
      schema: names the columns, and needs no vocabulary. Its weight counts in fits, not in metrics.
      models: by name, scores of the rows of `test`: an array `[n]`, or `[seeds, n]` of as many
        trainings; or a `Ranker`, or several in a list, which score these rows.
      item_key: the column of the item id.
      user_key: the column of the user id: rows of a user are resampled together. By default the
        schema's `list_key`.
      base: name of the model that all are compared with.
      metrics: names as of `evaluate_rows`; the first decides.
      from_logits: whether arrays in `models` are logits; else probabilities. A ranker's are.

    Returns:
      The comparison.

    Raises:
      ValueError: a column is missing or refused; labels other than 0 and 1, or of one kind alone;
        no column of the user id; `models` without `base`, with the name of a rival, with other
        numbers of seeds, or with scores that aren't finite or of other rows; an unknown metric.
      TypeError: `schema` is no schema.
      ImportError: without scikit-learn.
    """
    check_schema(schema)
    check_flag("from_logits", from_logits)
    wanted = _named(metrics)
    user_key = user_key or schema.list_key
    if user_key is None:
        raise ValueError(
            "`user_key` must name the column of the user id, as the schema has no list key"
        )
    given = {"train": train, "validation": validation, "test": test}
    rows = {
        name: RivalRows.of(name, frame, schema, user_key, item_key) for name, frame in given.items()
    }
    resamples = multiplicities(len(pd.unique(rows["test"].users)))

    held = rows["test"]

    def measured(scores: FloatArray, logits: bool) -> dict[str, FloatArray]:
        return evaluate_rows(held.labels, scores, held.users, resamples, logits, wanted)

    check_names(models, base, list(POINTWISE))
    probabilities = bool({"log_loss", "ece"} & set(wanted))
    found = {}
    for name, model in models.items():
        scores, logits = scores_of_rows(name, model, test, from_logits)
        check_scores(name, scores, len(test), probabilities and not logits)
        found[name] = stacked([measured(one, logits) for one in scores])
    check_seeds({name: len(values[wanted[0]]) for name, values in found.items()})
    rivals = pointwise_rivals(rows["train"], rows["validation"], held, schema, wanted[0])
    return Comparison(
        base,
        {name: stacked([measured(rival.scores, False)]) for name, rival in rivals.items()},
        found,
        {name: rival.setting for name, rival in rivals.items()},
    )


def compare_retrieval(
    history: ItemsOfUsers,
    validation: ItemsOfUsers,
    test: ItemsOfUsers,
    models: Mapping[str, Catalogue | Sequence[Catalogue]],
    seen: ItemsOfUsers | None = None,
    base: str = "base",
    metrics: Collection[str] = ("recall@50", "ndcg@10"),
) -> Comparison:
    """Models that rank a whole catalogue, beside popularity, item-kNN and EASE.

    >>> import numpy as np
    >>> history, validation = [[0], [1], [0], [1]], [[2], [3], [2], [3]]
    >>> found = compare_retrieval(
    ...     history, validation, test=[[4], [5], [4], [5]], metrics=["recall@1"],
    ...     models={"base": np.tile([0.0, 0.0, 0.0, 0.0, 0.2, 0.1], (4, 1))},
    ... )
    >>> found.to_frame()["recall@1"]["mean"]["base"].item()
    0.5

    Rivals are fitted to `history`, their settings chosen by what they find of `validation`, and
    fitted with these to both: all of it is known when the test begins, and they need no rows held
    out to stop by. Of more than 20,000 items there is no EASE. What a user had before, and
    what was `seen`, isn't recommended.

    Args:
      history: of each user the items that were liked (clicked, bought) in training and before: an
        array of item numbers each, a SciPy sparse matrix or a boolean array [users, items].
      validation: in the same forms, what was liked in the validation, which follows.
      test: in the same forms, what was liked in the test, which follows.
      models: by name, the scores of all items for all users at the beginning of the test, as
        `evaluate_catalogue` takes them: an array [users, items], `Embeddings`, a rival; or several
        in a list, one a seed.
      seen: in the same forms, further items that a user was shown before the test and is not to be
        recommended again.
      base: name of the model that all are compared with.
      metrics: "recall@k", "hit_rate@k" and "ndcg@k" of any k; the first decides.

    Returns:
      The comparison.

    Raises:
      ValueError: as `evaluate_catalogue`; `models` without `base`, with the name of a rival, with
        other numbers of seeds or of other users or items; nobody liked anything in the validation.
      ImportError: without SciPy.
    """
    wanted = _named(metrics)
    names, ks = names_and_lengths(wanted)
    check_names(models, base, list(RETRIEVAL))
    several = {name: scorers_of(model) for name, model in models.items()}
    check_seeds({name: len(some) for name, some in several.items()})
    shape = source_of(several[base][0]).shape
    for name, one in ((name, one) for name, some in several.items() for one in some):
        if (received := source_of(one).shape) != shape:
            raise ValueError(
                f"`models['{name}']` must score {shape} users and items as '{base}', "
                f"received {received}"
            )
    before, liked, relevant = (
        _matrix(name, given, shape)
        for name, given in (("history", history), ("validation", validation), ("test", test))
    )
    shown = before if seen is None else before + _matrix("seen", seen, shape)
    # What was seen before the test may hold what the validation asks for.
    unknown = shown - shown.multiply(liked > before)
    for name, held in (("validation", liked > before), ("test", relevant > shown + liked)):
        if not held.nnz:
            raise ValueError(
                f"`{name}` must hold, for some user, an item that isn't among the earlier ones, "
                f"received none"
            )
    resamples = multiplicities(shape[0])

    def measured(scores: Catalogue) -> dict[str, FloatArray]:
        found = evaluate_catalogue(scores, relevant, shown + liked, ks, resamples, names)
        return {name: found[name] for name in wanted}

    def on_validation(rival: CatalogueRival) -> float:
        name, _, k = wanted[0].partition("@")
        found = evaluate_catalogue(rival, liked, unknown, [int(k)], metrics=[name])
        return float(found[wanted[0]][0])

    found = {name: stacked([measured(one) for one in some]) for name, some in several.items()}
    rivals = retrieval_rivals(before, before + liked, on_validation)
    return Comparison(
        base,
        {name: stacked([measured(rival)]) for name, (_, rival) in rivals.items()},
        found,
        {name: setting for name, (setting, _) in rivals.items()},
    )


def _named(metrics: Collection[str]) -> list[str]:
    wanted = names_in("metrics", metrics)
    if not wanted:
        raise ValueError("`metrics` must name at least one, received none")
    return wanted


def _matrix(name: str, given: ItemsOfUsers, shape: tuple[int, int]) -> sparse.csr_matrix:
    pairs = pairs_of(name, given, shape)
    return history_of(pairs.users, pairs.items, shape)
