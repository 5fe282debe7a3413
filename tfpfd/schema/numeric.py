"""A number: in buckets, as its value, or both."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import column
from tfpfd.schema.feature import Columns, Known, Tensors
from tfpfd.schema.kind_arguments import check_optional, check_positive
from tfpfd.schema.kind_json import LATER
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.learner import ByName, Learner
from tfpfd.schema.moments import MomentsLearner, standardised
from tfpfd.schema.quantiles import QuantileLearner
from tfpfd.schema.table_feature import PADDING_ROWS, TableFeature, mean_of_held
from tfpfd.schema.table_requests import Asked, Embedded

Form = Literal["buckets", "value", "both"]
_UNUSED: dict[Form, tuple[str, ...]] = {
    "buckets": ("log", "mean", "deviation"),
    "value": ("buckets", "boundaries"),
    "both": (),
}


@register_kind
@dataclass(frozen=True)
class Numeric(TableFeature):
    """A number: an embedding of its bucket, its value, or both beside each other.

    The value is standardised, `(x - mean) / deviation`, with what `Schema.adapt` learned, and lies
    at most 100 deviations from the mean. With `log` it is `sign(x) · log(1 + |x|)` before that,
    which suits prices, counts and times. A missing value is the mean: 0, and with `optional` a
    second number says whether there is a value (1) or not (0).

    >>> import pandas as pd
    >>> from tfpfd import Categorical, FeatureEncoder, Schema
    >>> rows = pd.DataFrame({"user": ["a", "b", "c"], "price": [1.0, None, 3.0], "label": 1.0})
    >>> price = Numeric("price", form="value", optional=True)
    >>> schema = Schema(user=[Categorical("user")], item=[price]).adapt(rows, verbose=0)
    >>> schema.features()["price"].mean, schema.features()["price"].deviation
    (2.0, 1.0)
    >>> inputs = schema.lookup({"price": tf.constant(rows["price"])})
    >>> FeatureEncoder(schema, ["price"])(inputs)["price"].numpy().tolist()
    [[-1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]

    Args:
      name: the column.
      buckets: how many buckets of equal frequency `Schema.adapt` aims for.
      boundaries: ascending bucket edges, when they are given and not learned. A value equal to
        an edge belongs to the bucket above it.
      optional: whether a value may be missing (None or NaN).
      form: `"buckets"`, `"value"` or `"both"`.
      log: whether the value is the logarithm of the number.
      mean: of the values (with `log`, of logarithms), when it is given and not learned.
      deviation: their standard deviation, above 0; given with `mean`.
    """

    name: str
    buckets: int = 10
    boundaries: tuple[float, ...] | None = None
    optional: bool = False

    # Among its settings, by which files with weights tell one schema from another.
    length: None = field(default=None, init=False, repr=False)

    form: Form = field(default="buckets", metadata=LATER)
    log: bool = field(default=False, metadata=LATER)
    mean: float | None = field(default=None, metadata=LATER)
    deviation: float | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optional(self.name, self.optional)
        check_positive(self.name, "buckets", self.buckets, least=2)
        self._check_form()
        self._check_moments()
        if self.boundaries is None:
            return
        try:
            edges = tuple(float(edge) for edge in self.boundaries)
        except (TypeError, ValueError):
            edges = (math.nan,)  # No numbers: refused below.
        ascending = all(low < high for low, high in itertools.pairwise(edges))
        if not ascending or not all(math.isfinite(edge) for edge in edges):
            raise ValueError(
                f"`boundaries` of feature '{self.name}' must be finite and ascending numbers, "
                f"received {self.boundaries!r}"
            )
        object.__setattr__(self, "boundaries", edges)

    def _check_form(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(
                f"`form` of feature '{self.name}' must be one of {list(get_args(Form))}, "
                f"received {self.form!r}"
            )
        if not isinstance(self.log, bool):
            raise ValueError(
                f"`log` of feature '{self.name}' must be True or False, received {self.log!r}"
            )
        defaults = {f.name: f.default for f in fields(self)}
        given = [name for name in _UNUSED[self.form] if getattr(self, name) != defaults[name]]
        if given:
            raise ValueError(
                f"feature '{self.name}' has no use for {' and '.join(f'`{n}`' for n in given)} "
                f"with form='{self.form}'"
            )

    def _check_moments(self) -> None:
        moments: tuple[Any, Any] = (self.mean, self.deviation)
        if moments == (None, None):
            return
        for name, value in zip(("mean", "deviation"), moments, strict=True):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or (name == "deviation" and value <= 0):
                what = "a finite number above 0" if name == "deviation" else "a finite number"
                raise ValueError(
                    f"`{name}` of feature '{self.name}' must be {what}, `mean` and `deviation` "
                    f"given together or not at all, received {value!r}"
                )
            object.__setattr__(self, name, float(value))

    @property
    def table(self) -> str:
        """Name of the embedding table of its buckets."""
        return self.name

    @property
    def tables(self) -> tuple[str, ...]:
        """That of its buckets, if it has some."""
        return () if self.form == "value" else (self.name,)

    @property
    def is_number(self) -> bool:
        """It is one."""
        return True

    @property
    def filtered_by(self) -> Literal["bounds"]:
        """Requests name the lowest and the highest that they want."""
        return "bounds"

    @property
    def rows(self) -> int:
        """Rows of the table: missing, then one a bucket."""
        if self.form == "value":
            return super().rows
        if self.boundaries is None:
            raise ValueError(
                f"feature '{self.name}' has no bucket boundaries yet: call "
                "`schema = schema.adapt(data)` first, or give them"
            )
        return PADDING_ROWS + len(self.boundaries) + 1

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """float32 `[rows]`, NaN where missing."""
        values = raw[self.name]
        found = column(self.name, values, "float", several=False, optional=self.optional)
        return {self.name: found}

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """float32 `[batch]`."""
        return {self.name: tf.TensorSpec([None], tf.float32, name=self.name)}

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Numbers from among the edges, or around the mean."""
        if self.form != "value":
            edges = self.boundaries or (0.0,)
            return {self.name: random.uniform(edges[0] - 1, edges[-1] + 1, rows)}
        assert self.mean is not None and self.deviation is not None
        values = np.clip(random.normal(self.mean, self.deviation, rows), -1e38, 1e38)
        if self.log:
            values = np.sign(values) * np.expm1(np.minimum(np.abs(values), 80))
        return {self.name: values}

    @property
    def learned(self) -> bool:
        """Whether nothing is left for `Schema.adapt` to learn."""
        edges = self.form == "value" or self.boundaries is not None
        return edges and (self.form == "buckets" or self.mean is not None)

    @property
    def holds_learned(self) -> bool:
        """Whether it has edges, or a mean."""
        return bool(self.boundaries) or self.mean is not None

    def learner(self) -> Learner:
        """Samples values, and sums them up, as far as that isn't given."""
        quantiles = self.form != "value" and self.boundaries is None
        moments = self.form != "buckets" and self.mean is None
        found: dict[str, Learner] = {}
        if quantiles:
            found["boundaries"] = QuantileLearner(self.name, self.buckets)
        if moments:
            found["moments"] = MomentsLearner(self.name, self.log)
        return ByName(found)

    def teaches(self, columns: Columns, known: Known) -> dict[str, Any]:
        """The values, for its edges and for its mean."""
        return {self.name: dict.fromkeys(("boundaries", "moments"), columns[self.name])}

    def with_learned(self, learned: dict[str, Any]) -> Numeric:
        """The feature with these edges, or with this mean and deviation."""
        edges = learned.get("boundaries", self.boundaries)
        mean, deviation = learned.get("moments", (self.mean, self.deviation))
        return dataclasses.replace(self, boundaries=edges, mean=mean, deviation=deviation)

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Row 1 below the first edge, row 2 from the first edge on, and so on; row 0 for NaN.

        Of a value, beside it: the row of its bucket, or 1 where there is one and 0 for NaN.
        """
        values = raw[self.name]
        if self.form == "buckets":
            return {self.name: self._row(values)}
        assert self.mean is not None and self.deviation is not None
        parts = [standardised(values, self.mean, self.deviation, self.log)]
        if self.form == "both":
            # A table has fewer rows than float32 has integers.
            parts.append(tf.cast(self._row(values), tf.float32))
        elif self.optional:
            parts.append(tf.cast(~tf.math.is_nan(values), tf.float32))
        return {self.name: tf.stack(parts, axis=-1)}

    def _row(self, values: tf.Tensor) -> tf.Tensor:
        assert self.boundaries is not None
        if self.boundaries:
            edges = tf.constant(self.boundaries, tf.float32)
            below = tf.searchsorted(edges, tf.reshape(values, [-1]), side="right")
            ids = tf.reshape(below, tf.shape(values)) + PADDING_ROWS
        else:
            ids = tf.ones_like(values, tf.int32)
        return tf.where(tf.math.is_nan(values), tf.zeros_like(ids), ids)

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """Rows of the table; or values, with what `look_up` has beside them."""
        if self.form == "buckets":
            return super().inputs()
        width = 2 if self.form == "both" or self.optional else 1
        return {self.name: tf.TensorSpec([None, width], tf.float32, name=self.name)}

    @property
    def inputs_are(self) -> str:
        """What a message calls them."""
        return super().inputs_are if self.form == "buckets" else "standardised values, float32"

    def probe(self, rows: int, known: Known) -> dict[str, np.ndarray]:
        """The first rows of the table, again and again where it has fewer, and values."""
        if self.form == "buckets":
            return super().probe(rows, known)
        (spec,) = self.inputs().values()
        found = np.ones((rows, spec.shape[1]), np.float32)
        found[:, 0] = np.linspace(-1, 1, rows)
        if self.form == "both":
            found[:, 1] = np.arange(rows) % self.rows
        return {self.name: found}

    def asks(self, inputs: Tensors) -> list[Asked]:
        """The row of the bucket, if it has one."""
        if self.form == "buckets":
            return super().asks(inputs)
        rows = tf.cast(inputs[self.name][:, 1:], tf.int32)
        return [Asked(self.name, rows)] if self.form == "both" else []

    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """That of the table, and of the value."""
        values = {"buckets": 0, "both": 1, "value": 2 if self.optional else 1}
        return sum(dims.values()) + values[self.form]

    def combine(self, inputs: Tensors, embedded: Several[Embedded], layer: Any) -> tf.Tensor:
        """The embedding of the bucket, or the value, or the value and then the embedding."""
        if self.form == "buckets":
            return super().combine(inputs, embedded, layer)
        values = inputs[self.name]
        if self.form == "value":
            return values
        (one,) = embedded
        return tf.concat([tf.cast(values[:, :1], one.vectors.dtype), one.vectors[:, 0]], axis=1)

    def target_width(self, known: Known) -> int:
        """One number."""
        return 1

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The squared error of the bucket as a quantile in [0, 1]; without buckets of the value."""
        if self.form == "value":
            values = inputs[self.name]
            held = values[:, 1] if self.optional else tf.ones_like(values[:, 0])
            return tf.square(values[:, 0] - output[:, 0]) * held
        (asked,) = self.asks(inputs)
        # Row 1 holds the lowest bucket, the last row the highest.
        last = max(self.rows - 1, 2)
        values = tf.square(tf.cast(asked.rows - 1, tf.float32) / (last - 1) - output)
        return mean_of_held(values, asked.rows)

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """The number as it is."""
        return [columns[self.name]]
