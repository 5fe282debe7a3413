"""A student that holds what knows privileged features is refused, wherever it hides."""

import functools
import gc
import re
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    Categorical,
    Distillation,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TwoTower,
    export,
    inspect_export,
    save_version,
)
from tfpfd._keras import keras
from tfpfd.layers import joined
from tfpfd.layers.encoded import joined_width

WHAT = "ranker 'teacher', which sees privileged features \\['affinity', 'later'\\]"


@pytest.fixture(scope="module")
def schema():
    return Schema(
        user=(
            Categorical("user_id", vocabulary=("u1", "u2")),
            Sequence("clicks", of="item_id", length=3),
        ),
        item=(Categorical("item_id", vocabulary=("i1", "i2")),),
        privileged={
            "cross": (Numeric("affinity", boundaries=(0.5,)),),
            "post_event": (Sequence("later", of="item_id", length=2),),
        },
    )


@pytest.fixture
def teacher(schema):
    encoder = FeatureEncoder(schema, schema.features(), behaviour=SelfAttention(2, 4))
    return Ranker(schema, MLP([4]), sees="all", encoder=encoder, name="teacher")


class Holding(MLP):
    """A network that holds something, and says what the others say."""

    def __init__(self, held, **kwargs):
        super().__init__([4], **kwargs)
        self.t = held


class HoldingPooling(keras.layers.Layer):
    def __init__(self, held, **kwargs):
        super().__init__(**kwargs)
        self.t = held

    def call(self, inputs, valid):
        return tf.reduce_sum(inputs, axis=1)

    def width(self, dim):
        return dim

    def get_config(self):
        return {**super().get_config(), "held": self.t}


class Linear(keras.layers.Layer):
    def build(self, shapes):
        self.representation_width = joined_width(shapes)
        self.logit = keras.layers.Dense(1)
        self.logit.build((None, self.representation_width))
        self.built = True

    def represent(self, encoded, training=None):
        return joined(encoded)

    def score(self, representation, training=None):
        return self.logit(representation)[:, 0]

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


def refusal_of(student, tmp_path):
    """The one line that every way of writing refuses a student with; nothing is written."""
    messages = set()
    for write in (
        lambda: export(student, None, tmp_path, verbose=0),
        lambda: export({"ctr": student}, None, tmp_path, verbose=0),
        lambda: save_version(tmp_path, student),
    ):
        with pytest.raises(ValueError) as caught:
            write()
        messages.add(str(caught.value))
        assert list(tmp_path.iterdir()) == []
    (message,) = messages
    assert "\n" not in message
    return message


class Unmade:
    """Like a ranker that was copied member by member."""

    sees = "all"
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")),),
        item=(Categorical("item_id", vocabulary=("i1", "i2")),),
        privileged={
            "cross": (Numeric("affinity", boundaries=(0.5,)),),
            "post_event": (Sequence("later", of="item_id"),),
        },
    )

    def call(self, inputs):
        return inputs


class Smart(keras.layers.Layer):
    """Asks its teacher, as if nothing privileged were known."""

    def __init__(self, teacher, **kwargs):
        super().__init__(**kwargs)
        self.t = teacher

    def build(self, shapes):
        self.representation_width = self.t.network.representation_width
        self.built = True

    def represent(self, encoded, training=None):
        rows = tf.shape(encoded["user"]["user_id"])[0]
        hidden = self.t._seen.shapes["privileged"].items()
        zeros = {name: tf.zeros([rows, shape[-1]]) for name, shape in hidden}
        return self.t.network.represent({**encoded, "privileged": zeros}, training=training)

    def score(self, representation, training=None):
        return self.t.network.score(representation)

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


@pytest.mark.slow
def test_a_network_that_asks_its_teacher(schema, teacher, tmp_path):
    # As wide as that of the teacher, whose network reads it.
    encoder = FeatureEncoder(schema, behaviour=SelfAttention(2, 4))
    student = Ranker(schema, Smart(teacher), encoder=encoder)
    message = refusal_of(student, tmp_path)
    assert message == (
        "`student` holds what knows privileged features: student.network.t is ranker 'teacher', "
        "which sees privileged features ['affinity', 'later']; expected a student without it"
    )


def closure(held):
    def ask(x):
        return held, x

    return ask


def traced(held):
    variable = held.network.weights[0]
    read = tf.function(lambda: tf.reduce_sum(tf.convert_to_tensor(variable)), autograph=False)
    return SimpleNamespace(function=read.get_concrete_function())


def slotted(held):
    class Slotted:
        __slots__ = ("empty", "inner")

    made = Slotted()
    made.inner = held
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    "hide, path",
    [
        (lambda t: t, "t"),
        (lambda t: t.network, "t"),
        (lambda t: t.network.hidden, r"t\..*"),
        (lambda t: t.network.weights[0], "t"),
        (lambda t: t.encoder, "t"),
        (lambda t: t.encoder._poolers["later"].attention, r"t\..*"),
        (lambda t: [1, {"a": (t,)}], r"t\[1\]\['a'\]\[0\]"),
        (lambda t: SimpleNamespace(hidden=t), "t.hidden"),
        (slotted, "t.inner"),
        (closure, "t.held"),
        (lambda t: functools.partial(max, key=t), r"t.keywords\['key'\]"),
        (lambda t: t.encode, "t.__self__"),
        (lambda t: [t].index, r"t.__self__\[0\]"),
        (lambda t: SimpleNamespace(of={t: "x"}), r"t.of.keys\(\)\[0\]"),
        (lambda t: functools.lru_cache(closure(t)), "t.__wrapped__.held"),
        (lambda t: tf.function(closure(t)), "t.python_function.held"),
        (traced, r"t.function.variables\[0\]"),
        (weakref.ref, r"t\(\)"),
        (lambda t: np.array([t, None], object), r"t\[0\]"),
    ],
)
def test_wherever_it_hides(schema, teacher, tmp_path, hide, path):
    message = refusal_of(Ranker(schema, Holding(hide(teacher))), tmp_path)
    start = "`student` holds what knows privileged features: student.network"
    assert re.match(rf"{start}\.{path} is (a weight of )?{WHAT}", message), message


@pytest.mark.slow
def test_tables_of_privileged_features_alone(schema, teacher, tmp_path):
    tables = teacher.encoder.tables["affinity"]
    message = refusal_of(Ranker(schema, Holding(tables)), tmp_path)
    assert "student.network.t is a Tables of ['affinity']" in message


@pytest.mark.slow
def test_a_copy_of_a_ranker(schema, teacher, tmp_path):
    again = Ranker.from_config(teacher.get_config())
    assert "student.network.t is ranker '" in refusal_of(Ranker(schema, Holding(again)), tmp_path)
    # Not made as others are made.
    made = SimpleNamespace(copied=object.__new__(Unmade))
    message = refusal_of(Ranker(schema, Holding(made)), tmp_path)
    assert "student.network.t.copied is a Unmade of ['affinity', 'later']" in message


@pytest.mark.slow
def test_an_encoder_that_no_ranker_has(schema, tmp_path):
    encoder = FeatureEncoder(schema, ["later"], dim=2)
    message = refusal_of(Ranker(schema, Holding(encoder)), tmp_path)
    assert "student.network.t is a FeatureEncoder of ['later']" in message


@pytest.mark.slow
def test_a_behaviour_layer(schema, teacher, tmp_path):
    encoder = FeatureEncoder(schema, behaviour=HoldingPooling(teacher))
    message = refusal_of(Ranker(schema, TwoTower([2]), encoder=encoder), tmp_path)
    assert re.search(rf"student.encoder.behaviour.t is {WHAT}", message)


@pytest.mark.slow
def test_an_encoder_of_a_class_of_ones_own(schema, teacher, tmp_path):
    class Encoder(FeatureEncoder):
        def hold(self, held):
            self.extra = SimpleNamespace(held=held)
            return self

    encoder = Encoder(schema, dim=2).hold(teacher.network)
    message = refusal_of(Ranker(schema, TwoTower([2]), encoder=encoder), tmp_path)
    assert re.search(rf"student.encoder.extra.held is {WHAT}", message)


@pytest.mark.slow
def test_the_student_itself(schema, teacher, tmp_path):
    student = Ranker(schema, TwoTower([2]))
    student.note = {"learned from": teacher}
    assert "student.note['learned from'] is ranker 'teacher'" in refusal_of(student, tmp_path)


@pytest.mark.slow
def test_a_network_whose_ranker_is_gone(schema, tmp_path):
    network = MLP([4])
    Ranker(schema, network, sees="privileged", name="gone")
    gc.collect()
    message = refusal_of(Ranker(schema, Holding(network)), tmp_path)
    assert "student.network.t is ranker 'gone'" in message


@pytest.mark.slow
def test_a_teacher_of_any_keras_model(schema, tmp_path):
    teacher = keras.Sequential([keras.layers.Dense(1)], name="cross")
    teacher.build((None, 2))
    Distillation(student=Ranker(schema, MLP([2])), teacher=teacher)
    message = refusal_of(Ranker(schema, Holding(teacher)), tmp_path)
    assert "student.network.t is the teacher 'cross' of a Distillation" in message


@pytest.mark.slow
def test_every_way_of_exporting(schema, teacher, tmp_path):
    class Towers(TwoTower):
        pass

    towers = Towers([2])
    towers.note = teacher
    student = Ranker(schema, towers)
    for more in ({"items": {"item_id": ["i1"]}}, {"items": None, "side": "user"}):
        with pytest.raises(ValueError, match=r"student\.network\.note is ranker 'teacher'"):
            export(student, path=tmp_path, verbose=0, **more)
    assert list(tmp_path.iterdir()) == []


TEACHERS = {}


class AsksGlobally(Linear):
    """Holds nothing: it knows its teacher by a global name."""

    def call(self, inputs, training=None):
        kernel = tf.convert_to_tensor(TEACHERS["one"].network.weights[0])
        return super().call(inputs) + tf.reduce_sum(kernel)


def test_a_weight_that_is_read_and_not_held(schema, teacher, tmp_path, monkeypatch):
    monkeypatch.setitem(TEACHERS, "one", teacher)
    student = Ranker(schema, AsksGlobally())
    with pytest.raises(ValueError, match=rf"signature '\w+' reads '.*', a weight of {WHAT}"):
        export(student, None, tmp_path, verbose=0)
    assert list(tmp_path.iterdir()) == []


# What a student may hold.


@pytest.mark.slow
def test_what_is_shared_or_of_served_features_is_no_finding(schema, marked, tmp_path):
    student = Ranker(schema, Holding(SimpleNamespace()))
    teacher = Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    model = Distillation(student=student, teacher=teacher)
    model.compile(optimizer="adam", run_eagerly=False)
    inputs = {
        name: np.ones((4,) if feature.length is None else (4, feature.length), np.int32)
        for name, feature in schema.features().items()
    }
    inputs = marked(schema, inputs)
    model.fit(inputs, np.ones(4, np.float32), batch_size=2, verbose=0)
    model.predict(inputs, verbose=0)
    student.compile(optimizer="sgd")
    student.fit(inputs, np.ones(4, np.float32), batch_size=2, verbose=0)
    # Another ranker of the same features, the shared encoder, a loop, and plain values.
    student.network.t.held = [Ranker(schema, MLP([2])), student.encoder, student, teacher.encoder]
    version = export(student, None, tmp_path, verbose=0)
    assert inspect_export(version).findings == []
