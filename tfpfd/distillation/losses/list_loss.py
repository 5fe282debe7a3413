"""Lists on flat rows: which rows belong together, and what all losses of lists share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd._replicas import gathered, replicas
from tfpfd.distillation.losses.reduction import BatchLoss, Term
from tfpfd.distillation.targets import Targets


class Lists:
    """Rows that stand list by list.

    Sums over neighbours take a third of the time of sums over rows in any order.

    Args:
      place: int64 `[rows]`, the list of each row, counted from 0 in ascending order.

    Attributes:
      place: as given.
      sizes: int32 `[lists]`, rows of each list.
    """

    def __init__(self, place: tf.Tensor) -> None:
        self.place = place
        self.sizes = self.sum(tf.ones_like(place, tf.int32))

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """`[lists, …]` sums of `[rows, …]`."""
        return tf.math.segment_sum(values, self.place)

    def max(self, values: tf.Tensor) -> tf.Tensor:
        """`[lists, …]` largest values of `[rows, …]`."""
        return tf.math.segment_max(values, self.place)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """`[lists, …]` means of `[rows, …]`."""
        sizes = tf.reshape(self.sizes, [-1] + [1] * (values.shape.rank - 1))
        return self.sum(values) / tf.cast(sizes, values.dtype)

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """`[rows, …]`: to each row the value of its list in `[lists, …]`."""
        return tf.gather(values, self.place)

    def scale(self, values: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """`[rows, …]` values, each times the factor of its list in `[lists, …]`."""
        return values * self.spread(factors)


class EqualLists(Lists):
    """Lists of as many rows each, which are a rectangle: sums along it take a fifth of the time.

    Args:
      count: int64 scalar, how many lists there are.
      size: int64 scalar, rows of each.
    """

    def __init__(self, count: tf.Tensor, size: tf.Tensor) -> None:
        self._shape = tf.stack([count, size])
        self.place = tf.repeat(tf.range(count), size)
        self.sizes = tf.fill([count], tf.cast(size, tf.int32))

    def _rectangle(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(values, tf.concat([self._shape, tf.shape(values, tf.int64)[1:]], axis=0))

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """As of `Lists`."""
        return tf.reduce_sum(self._rectangle(values), axis=1)

    def max(self, values: tf.Tensor) -> tf.Tensor:
        """As of `Lists`."""
        return tf.reduce_max(self._rectangle(values), axis=1)

    def scale(self, values: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """As of `Lists`."""
        return tf.reshape(self._rectangle(values) * factors[:, None], tf.shape(values))


def over_lists(
    function: Callable[[tf.Tensor, Lists], tf.Tensor], values: tf.Tensor, ids: tf.Tensor
) -> tf.Tensor:
    """What a function of rows and their lists gives, for rows in any order.

    Args:
      function: from `[rows, …]`, list by list, and the lists to `[rows, …]`.
      values: `[rows, …]`.
      ids: integers `[rows]`, equal for rows of the same list.

    Returns:
      `[rows, …]`, in the order of `values`.
    """
    order = tf.argsort(ids, stable=True)
    found = function(tf.gather(values, order), Lists(_places(tf.gather(ids, order))))
    return tf.gather(found, tf.math.invert_permutation(order))


def _places(ids: tf.Tensor) -> tf.Tensor:
    """The list of each row, counted from 0, of ids that stand list by list."""
    begins = tf.concat([tf.zeros_like(ids[:1], tf.bool), ids[1:] != ids[:-1]], axis=0)
    return tf.cumsum(tf.cast(begins, tf.int64))


class ListLoss(BatchLoss):
    """Base of the losses that look at whole lists: the mean over the lists that say something.

    Rows belong to the same list if they are in the same batch and share the schema's `list_key`.
    Rows that don't count, such as those without a label, leave their list. The mean is over
    lists, whatever their sizes and weights; a batch in which no list says anything costs 0.
    """

    def of_lists(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What all lists cost together, and which of them say anything.

        Args:
          truth: `[rows]` labels, or logits of the teacher.
          logits: `[rows]` of the ranker that learns.
          weights: `[rows]` sample weights.
          lists: of the rows.

        Returns:
          A float32 scalar, to which a list that says nothing adds 0 but for rounding, and bool
          `[lists]`.
        """
        raise NotImplementedError

    def term(
        self, truth: tf.Tensor, logits: tf.Tensor, targets: Targets, counted: tf.Tensor
    ) -> Term:
        """What the lists that say something cost, and how many they are; see `term_of`."""
        if targets.lists is None:
            raise ValueError(without_lists(self))
        # A strategy cuts batches at any row, so every replica looks at the lists of all of them.
        truth, logits, weights, counted, ids = gathered(
            (truth, logits, targets.weights, counted, targets.lists)
        )
        complete = tf.reduce_all(counted)
        # Of whole lists one after the other, as in batches of whole lists.
        count = tf.maximum(tf.reduce_sum(ids[-1:] - ids[:1]) + 1, 1)
        size = tf.size(ids, tf.int64) // count

        def of_columns(columns: Iterable[tf.Tensor], lists: Lists) -> Term:
            of_truth, of_logits, of_weights = columns
            cost, speaks = self.of_lists(of_truth, of_logits, of_weights, lists)
            return Term(cost, tf.reduce_sum(tf.cast(speaks, tf.float32)))

        def equal(logits: tf.Tensor) -> Term:
            return of_columns((truth, logits, weights), EqualLists(count, size))

        def one_by_one(logits: tf.Tensor) -> Term:
            return of_columns((truth, logits, weights), Lists(ids - ids[:1]))

        def apart(logits: tf.Tensor) -> Term:
            *ordered, place = _list_by_list((truth, logits, weights, ids), counted)
            return of_columns(ordered, Lists(place))

        @tf.custom_gradient
        def term(logits: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Any]:
            total, lists, slope = tf.cond(
                complete & _of_equal_size(ids, count, size),
                lambda: _differentiated(equal, logits),
                lambda: tf.cond(
                    complete & _one_by_one(ids),
                    lambda: _differentiated(one_by_one, logits),
                    lambda: _differentiated(apart, logits),
                ),
            )
            return (total, lists), lambda upstream, _: upstream * slope

        total, lists = term(logits)
        return Term(total / replicas(), lists / replicas())


def list_loss_of(loss: keras.losses.Loss) -> ListLoss | None:
    """The loss, or the one that it corrects, if that looks at lists."""
    inner = getattr(loss, "loss", loss)
    return inner if isinstance(inner, ListLoss) else None


def without_lists(loss: ListLoss) -> str:
    """What to say of batches that have no lists."""
    return (
        f"{type(loss).__name__} looks at whole lists, but the batch doesn't say which rows share "
        "one: declare `list_key` in the schema and make batches with "
        "`tfpfd.data.from_rows(…, by_list=True)` or `tfpfd.data.from_stream`"
    )


def _differentiated(
    function: Callable[[tf.Tensor], Term], logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The parts of a function's term, and the gradient of the total by the logits.

    Inside a branch of `tf.cond` it takes half the time of a gradient through the `tf.cond`, which
    hands everything that the branch computed from one `tf.cond` to another.
    """
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, count = function(logits)
    return total, count, tf.convert_to_tensor(tape.gradient(total, logits))


def _one_by_one(ids: tf.Tensor) -> tf.Tensor:
    """Whether ids count lists that stand one after the other."""
    steps = ids[1:] - ids[:-1]
    return (tf.reduce_min(steps) >= 0) & (tf.reduce_max(steps) <= 1)


def _of_equal_size(ids: tf.Tensor, count: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Whether ids count lists that stand one after the other, each of `size` rows."""
    return tf.cond(
        (size > 0) & (tf.size(ids, tf.int64) == count * size),
        lambda: tf.reduce_all(
            # `ids[0]` would be refused for a batch that is known to be empty.
            tf.reshape(ids, [count, size]) == (ids[:1] + tf.range(count))[:, None]
        ),
        lambda: False,
    )


def _list_by_list(columns: tuple[tf.Tensor, ...], counted: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The rows that count, ordered by the ids in the last column, and places for the ids."""
    rows = tf.where(counted)[:, 0]
    ids = tf.gather(columns[-1], rows)
    order = tf.cond(
        tf.reduce_all(ids[1:] >= ids[:-1]),
        lambda: rows,
        lambda: tf.gather(rows, tf.argsort(ids, stable=True)),
    )
    *others, ids = (tf.gather(column, order) for column in columns)
    return (*others, _places(ids))
