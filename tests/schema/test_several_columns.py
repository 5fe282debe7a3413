"""A kind of feature that is made of several columns: ids, and a weight of each."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import Categorical, Ranker, Schema, TwoTower
from tfpfd.data import from_rows
from tfpfd.data.common_features import ONCE
from tfpfd.layers import FeatureEncoder
from tfpfd.schema import register_kind
from tfpfd.schema.columns import column
from tfpfd.schema.id_feature import IdFeature
from tfpfd.schema.vocabulary import look_up


@register_kind
@dataclass(frozen=True)
class Weighted(IdFeature):
    """Ids of another feature's vocabulary, and beside them a column of their weights."""

    name: str
    of: str
    length: int = 3
    optional: bool = field(default=True, init=False, repr=False)

    @property
    def table(self):
        return self.of

    @property
    def borrowed(self):
        return (self.of,)

    @property
    def weights(self):
        return f"{self.name}_weights"

    @property
    def columns(self):
        return (self.name, self.weights)

    def check(self, raw, known):
        found = column(self.weights, raw[self.weights], "float", several=True, optional=False)
        return {**super().check(raw, known), self.weights: found}

    def signature(self, known):
        spec = tf.TensorSpec([None, None], tf.float32, name=self.weights)
        return {**super().signature(known), self.weights: spec}

    def sample(self, rows, known, random):
        ids = super().sample(rows, known, random)
        return {**ids, self.weights: random.random(ids[self.name].shape)}

    def look_up(self, raw, known, resources):
        rows = look_up(raw[self.name], known[self.of], resources[self.of])
        weights = raw[self.weights]
        weights = tf.where(tf.math.is_nan(weights), 0.0, weights)
        return {self.name: self._cut(rows), self.weights: self._cut(weights)}

    def _cut(self, values):
        kept = values[:, : self.length]
        missing = self.length - tf.shape(kept)[1]
        return tf.ensure_shape(tf.pad(kept, [[0, 0], [0, missing]]), [None, self.length])

    def inputs(self):
        spec = tf.TensorSpec([None, self.length], tf.float32, name=self.weights)
        return {**super().inputs(), self.weights: spec}

    def probe(self, rows, known):
        return {**super().probe(rows, known), self.weights: np.ones((rows, self.length), "float32")}

    def combine(self, inputs, embedded, layer):
        (one,) = embedded
        return tf.reduce_sum(one.vectors * inputs[self.weights][..., None], axis=1)


DECLARED = Schema(
    user=[Categorical("user", dtype="int"), Weighted("liked", of="item")],
    item=[Categorical("item", vocabulary=("a", "b", "c"))],
    privileged={"post_event": [Weighted("later", of="item")]},
    list_key="user",
)
ROWS = pd.DataFrame(
    {
        "user": [1, 1, 2, 2],
        "liked": [["a", "b"], ["a", "b"], [], []],
        "liked_weights": [[0.5, 2.0], [0.5, 2.0], [], []],
        "item": ["a", "b", "c", "a"],
        "later": [["c"], ["b"], ["a", "c"], []],
        "later_weights": [[1.0], [1.5], [2.0, 3.0], []],
        "label": [1.0, 0.0, 1.0, 0.0],
    }
)


@pytest.fixture(scope="module")
def schema():
    return DECLARED.adapt(ROWS, verbose=0)


def test_both_columns_are_named(schema):
    assert {"liked", "liked_weights", "later_weights"} < set(schema.column_names)
    assert schema.unserved == ("later", "later_weights")
    assert Schema.from_json(schema.to_json()) == schema
    with pytest.raises(ValueError, match="missing column 'liked_weights'"):
        from_rows(ROWS.drop(columns="liked_weights"), schema)
    with pytest.raises(ValueError, match="duplicate name 'liked_weights'"):
        Schema([*DECLARED.user, Categorical("liked_weights")], DECLARED.item)


def test_its_vector(schema):
    ((inputs, _),) = from_rows(ROWS, schema)
    np.testing.assert_array_equal(inputs["liked_weights"][0], [0.5, 2.0, 0.0])
    encoder = FeatureEncoder(schema, ["item", "liked"], dim=2)
    vectors = encoder(inputs)
    a, b = vectors["item"][0], vectors["item"][1]
    np.testing.assert_allclose(vectors["liked"][0], 0.5 * a + 2.0 * b, rtol=1e-5)
    np.testing.assert_array_equal(vectors["liked"][2], [0.0, 0.0])


def test_lists_have_both_columns_in_common(schema):
    batches = from_rows(ROWS, schema, by_list=True)
    (key,) = (name for name in batches.element_spec[0] if name.startswith(ONCE))
    assert set(key[len(ONCE) :].split(",")) == {"liked", "liked_weights", "user"}


@pytest.mark.slow
def test_served(schema, tmp_path):
    student = Ranker(schema, TwoTower([2], batch_norm=False))
    items = pd.DataFrame({"item": ["a", "b", "c"]})
    path = tfpfd.export(student, items=items, path=tmp_path / "export", verbose=0)
    assert tfpfd.inspect_export(path).verdict == "nothing privileged is inside"
    logits = tfpfd.score_rows(student, ROWS)
    np.testing.assert_allclose(tfpfd.saved_scores(path, ROWS), logits, rtol=1e-4, atol=1e-5)
