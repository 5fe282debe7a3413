"""A new kind of feature, added by this one file: a vector of numbers, on all sides."""

import dataclasses
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import MLP, Categorical, Distillation, Numeric, Ranker, Schema, Sequence, TwoTower
from tfpfd._keras import keras
from tfpfd.data import from_rows, from_stream
from tfpfd.data.common_features import ONCE
from tfpfd.data.table_rows import TableRows
from tfpfd.evaluation.target_encoding import ServedFeatures
from tfpfd.layers import FeatureEncoder
from tfpfd.schema import Feature, register_kind
from tfpfd.schema.kinds import feature_of


@register_kind
@dataclass(frozen=True)
class Point(Feature):
    """Numbers `[dim]` a row, such as an embedding of a text; a row without any is zeros.

    Args:
      name: the column.
      dim: how many numbers a row has.
      scale: what they are divided by; learned as their mean square root if None.
    """

    name: str
    dim: int
    scale: float | None = None

    def check(self, raw, known):
        given = raw[self.name]
        rows = [np.full(self.dim, np.nan) if row is None else row for row in given]
        widths = {len(row) for row in rows}
        if widths - {self.dim}:
            raise ValueError(
                f"column '{self.name}': expected {self.dim} numbers a row, received "
                f"{sorted(widths - {self.dim})[0]}"
            )
        return {self.name: np.array(rows, np.float32).reshape(-1, self.dim)}

    def signature(self, known):
        return {self.name: tf.TensorSpec([None, self.dim], tf.float32, name=self.name)}

    def sample(self, rows, known, random):
        return {self.name: random.normal(size=(rows, self.dim))}

    @property
    def learned(self):
        return self.scale is not None

    def learner(self):
        return MeanSquare()

    def with_learned(self, learned):
        return dataclasses.replace(self, scale=learned)

    def look_up(self, raw, known, resources):
        numbers = raw[self.name] / self.scale
        return {self.name: tf.where(tf.math.is_nan(numbers), 0.0, numbers)}

    def inputs(self):
        return self.signature({})

    def width(self, dims, layer):
        return self.dim

    def combine(self, inputs, embedded, layer):
        return inputs[self.name]

    def target_width(self, known):
        return self.dim

    def target_loss(self, inputs, output, known):
        return tf.reduce_mean(tf.square(inputs[self.name] - output), axis=1)

    def numbers(self, columns):
        return list(columns[self.name].T)


class MeanSquare:
    """The root of the mean square of all numbers."""

    def __init__(self):
        self.sum, self.count = 0.0, 0

    def update(self, values):
        self.sum += float(np.nansum(np.square(values, dtype=np.float64)))
        self.count += int((~np.isnan(values)).sum())

    def learned(self):
        return (self.sum / self.count) ** 0.5


DECLARED = Schema(
    user=[Categorical("user"), Point("taste", dim=3), Sequence("seen", of="item", length=2)],
    item=[Categorical("item"), Numeric("price"), Point("text", dim=2)],
    privileged={"cross": [Point("secret", dim=4), Numeric("affinity")]},
    list_key="user",
)


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    count = 60
    tastes = random.normal(size=(6, 3))
    tastes[2] = np.nan
    users = np.arange(count) % 6
    texts = random.normal(size=(10, 2))
    items = np.arange(count) % 10
    return pd.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "taste": list(tastes[users]),
            "seen": [[f"i{n}" for n in range(item % 4)] for item in items],
            "item": [f"i{item}" for item in items],
            "price": items * 1.5,
            "text": list(texts[items]),
            "secret": list(3 * random.normal(size=(count, 4))),
            "affinity": random.normal(size=count),
            "label": random.integers(0, 2, count).astype(float),
        }
    )


@pytest.fixture(scope="module")
def schema(rows):
    return DECLARED.adapt(rows, verbose=0)


@pytest.fixture(scope="module")
def items(rows):
    return rows[["item", "price", "text"]].drop_duplicates("item").reset_index(drop=True)


def ranker(schema, sees="served", encoder=None):
    network = TwoTower([4, 3]) if sees == "served" else MLP([4])
    encoder = encoder or FeatureEncoder(schema, dim=3, l2=0.01)
    return Ranker(schema, network, sees=sees, encoder=encoder)


@pytest.fixture(scope="module")
def trained(rows, schema):
    keras.utils.set_random_seed(0)
    student = ranker(schema)
    model = Distillation(
        student=student, teacher=ranker(schema, "all", student.encoder), distillation_weight=0.5
    )
    model.compile(keras.optimizers.Adam(0.01))
    batches = from_rows(rows, schema, 16, by_list=True)
    first, *_, last = model.fit(batches, epochs=4, verbose=0).history["loss"]
    assert last < first
    return model


def test_adapted(rows, schema):
    for name in ("taste", "text", "secret"):
        numbers = np.stack(rows[name])
        expected = np.nanmean(numbers**2) ** 0.5
        assert schema.features()[name].scale == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="column 'text': expected 2 numbers a row, received 3"):
        DECLARED.adapt(rows.assign(text=rows["taste"]), verbose=0)


def test_json(schema):
    assert Schema.from_json(schema.to_json()) == schema
    with pytest.raises(ValueError, match="'dim' of a Point must be an integer, received 'x'"):
        feature_of({"kind": "Point", "name": "a", "dim": "x"})
    with pytest.raises(ValueError, match=r"must hold \['dim', 'name'\] and may hold"):
        feature_of({"kind": "Point", "name": "a"})


def test_looked_up(rows, schema):
    ((inputs, _),) = from_rows(rows, schema, 99)
    expected = np.nan_to_num(np.stack(rows["taste"]) / schema.features()["taste"].scale)
    np.testing.assert_allclose(inputs["taste"], expected, rtol=1e-5)
    assert inputs["secret"].shape == (60, 4)
    vectors = {name: np.stack(rows[name]) for name in ("taste", "text", "secret")}
    others = {name: rows[name].to_numpy() for name in rows if name not in (*vectors, "seen")}
    raw = {**vectors, **others, "seen": tf.ragged.constant(rows["seen"].tolist())}
    ((again, _),) = from_stream(tf.data.Dataset.from_tensors(raw), schema)
    for name in schema.features():
        np.testing.assert_array_equal(again[name], inputs[name])


def test_lists_have_it_in_common(rows, schema):
    """What rows share is encoded once, and gives what it gives a row at a time."""
    batches = from_rows(rows, schema, 30, by_list=True)
    (key,) = (name for name in batches.element_spec[0] if name.startswith(ONCE))
    assert set(key[len(ONCE) :].split(",")) == {"taste", "user"}
    inputs, _ = next(iter(batches))
    plain = {name: values for name, values in inputs.items() if not name.startswith(ONCE)}
    made = ranker(schema)
    np.testing.assert_allclose(made(inputs), made(plain), rtol=1e-5, atol=1e-6)


def test_inputs_of_another_type_are_refused(rows, schema):
    ((inputs, _),) = from_rows(rows, schema, 99)
    with pytest.raises(ValueError, match=r"'text': expected float32, .* received int32"):
        ranker(schema)({**inputs, "text": tf.cast(inputs["text"], tf.int32)})


@pytest.mark.slow
def test_saved_and_loaded(rows, trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    batches = from_rows(rows, trained.student.schema, 60)
    for one, other in zip(
        tf.nest.flatten(trained.predict(batches, verbose=0)),
        tf.nest.flatten(loaded.predict(batches, verbose=0)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_weights_of_other_settings_are_refused(trained, rows, tmp_path):
    trained.student.save_weights(tmp_path / "student.weights.h5")
    doubled = rows.assign(text=[2 * text for text in rows["text"]])
    with pytest.raises(ValueError, match="are of another schema"):
        ranker(DECLARED.adapt(doubled, verbose=0)).load_weights(tmp_path / "student.weights.h5")


SERVE = """
import sys
import numpy as np
import tensorflow as tf

path, folder = sys.argv[1:]
model = tf.saved_model.load(path)
assert "tfpfd" not in sys.modules
raw = np.load(folder + "/request.npz")
request = {name: tf.constant(raw[name]) for name in raw.files}
scores = model.signatures["score_candidates"](**request)["scores"]
np.save(folder + "/scores.npy", scores.numpy())
"""


@pytest.mark.slow
def test_served_where_tensorflow_alone_is_imported(rows, trained, items, tmp_path):
    path = tfpfd.export(trained.student, items=items, path=tmp_path / "export", verbose=0)
    found = tfpfd.inspect_export(path)
    assert found.verdict == "nothing privileged is inside"
    assert "secret" in found.stripped
    takes = found.signatures["user_embedding"][0]
    assert "taste: float32 [?, 3]" in takes
    np.savez(
        tmp_path / "request.npz",
        user=rows["user"].to_numpy(str)[:10],
        taste=np.stack(rows["taste"])[:10].astype(np.float32),
        seen=np.array([(list(seen) + ["", "", ""])[:3] for seen in rows["seen"][:10]]),
        candidate_ids=rows["item"].to_numpy(str)[:10, None],
    )
    subprocess.run([sys.executable, "-c", SERVE, str(path), str(tmp_path)], check=True)
    logits = tfpfd.score_rows(trained.student, rows[:10])
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy")[:, 0], logits, atol=1e-4)
    refreshed = tfpfd.refresh(tmp_path / "export", items=items[:4], verbose=0)
    assert tfpfd.inspect_export(refreshed).manifest["items"] == 4
    np.testing.assert_allclose(tfpfd.saved_scores(refreshed, rows[:10]), logits, atol=1e-4)


def test_warm_up_requests_are_of_its_shape():
    known = {f.name: f for f in DECLARED.user}
    sample = known["taste"].sample(8, known, np.random.default_rng(0))
    assert sample["taste"].shape == (8, 3)


def test_treatments_of_an_audit(rows, schema):
    held = TableRows.look_up(rows, schema)
    hidden = schema.sides["privileged"]
    zeroed = held.treated("zeroed", hidden)
    assert not zeroed.inputs["secret"].any()
    shuffled = held.treated("shuffled", hidden, seed=1).inputs["secret"]
    assert (shuffled != held.inputs["secret"]).any()
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(held.inputs["secret"], axis=0))
    np.testing.assert_array_equal(zeroed.inputs["taste"], held.inputs["taste"])


@pytest.mark.slow
def test_predicted_by_a_head_and_read_by_rivals(rows, schema):
    model = tfpfd.AuxiliaryTasks(ranker(schema), task_weight=0.5)
    model.compile(keras.optimizers.SGD(0.01))
    assert np.isfinite(model.fit(from_rows(rows, schema, 60), verbose=0).history["loss"]).all()
    columns = schema.columns(dict(rows.items()), schema.features("served").values())
    numbers = ServedFeatures(schema, columns, rows["label"].to_numpy()).train
    # An id, 3 numbers, a list with its length; an id, a price, 2 numbers.
    assert numbers.shape == (60, 1 + 3 + 2 + 1 + 1 + 2)


@pytest.mark.slow
def test_retrained_from_a_version(rows, trained, tmp_path):
    tfpfd.save_version(tmp_path / "line", trained.student, {})
    grown = rows.assign(user=["new", *rows["user"][1:]])
    version = tfpfd.retrain(
        tmp_path / "line",
        grown,
        lambda schema: ranker(schema),
        warm_start=True,
        compile={"optimizer": "adam"},
        verbose=0,
    )
    student = version.load()
    assert student.schema.features()["taste"] == trained.student.schema.features()["taste"]
    assert "new" in student.schema.features()["user"].vocabulary


def test_a_name_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="new name, 'Point' is taken"):

        @register_kind
        @dataclass(frozen=True)
        class Point(Feature):
            """Of the same name."""
