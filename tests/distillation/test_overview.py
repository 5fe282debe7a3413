"""What is seen in a notebook: lines, `summary()`, HTML, and names."""

import re
import sys

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
    Sequence,
    TwoTower,
)
from tfpfd._html import html_table
from tfpfd._keras import keras

DISTILLATION = sys.modules[Distillation.__module__]


@pytest.fixture(scope="module")
def schema():
    return Schema(
        user=(
            Categorical("user_id", vocabulary=("u1", "u2", "u3")),
            Sequence("clicks", of="item_id", length=3),
        ),
        item=(Categorical("item_id", vocabulary=("i1", "i2")),),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
    )


@pytest.fixture
def model(schema):
    student = Ranker(schema, TwoTower([4]), encoder=FeatureEncoder(schema, dim=2))
    teacher = Ranker(schema, MLP([3], batch_norm=False), sees="all", encoder=student.encoder)
    return Distillation(student=student, teacher=teacher)


def lines_of(model, **arguments):
    lines = []
    model.summary(print_fn=lines.append, **arguments)
    return [line for text in lines for line in str(text).splitlines()]


# Tables: user_id 3 + 1 unknown + 1 missing, item_id 2 + 2, affinity 2 buckets + 1, of 2 numbers
# each. A tower of 4 units: of the user 2 · 2 inputs, of the item 2. The first layer of the teacher
# reads 4 · 2 inputs.
STUDENT_ENCODER, TEACHER_ENCODER = 5 * 2 + 4 * 2, 3 * 2
TEACHER_NETWORK = (8 * 3 + 3) + (3 + 1)


def test_summary_shows_student_teacher_and_what_they_share(model):
    student = sum(int(tf.size(w)) for w in model.student.network.weights)
    rows = [re.split(r"\s{2,}", line) for line in lines_of(model)]
    assert rows[0] == ["part", "type", "output", "parameters"]
    assert rows[2:-1] == [
        ["student: encoder", "FeatureEncoder", "3 features [batch, 6]", str(STUDENT_ENCODER)],
        ["student: network", "TwoTower", "logits [batch]", str(student)],
        [
            "teacher: encoder",
            "FeatureEncoder",
            "3 features [batch, 6]",
            "shared with student: encoder",
        ],
        ["teacher: own encoder", "FeatureEncoder", "1 features [batch, 2]", str(TEACHER_ENCODER)],
        ["teacher: network", "MLP", "logits [batch]", str(TEACHER_NETWORK)],
    ]
    # The last, not trained, is the count of steps.
    trained = STUDENT_ENCODER + student + TEACHER_ENCODER + TEACHER_NETWORK
    assert rows[-1] == [f"{trained:,} parameters are trained, 1 are not"]


def test_summary_of_a_ranker_and_of_other_teachers(schema, model):
    assert [line.split("  ")[0] for line in lines_of(model.teacher)[2:-1]] == [
        "encoder",
        "own encoder",
        "network",
    ]
    inputs = {"affinity": keras.Input(shape=(), dtype="int32", name="affinity")}
    logits = keras.layers.Embedding(3, 1)(inputs["affinity"])
    other = Distillation(
        student=model.student, teacher=keras.Model(inputs, logits), auxiliary_head=True
    )
    found = [line.split("  ")[0] for line in lines_of(other)[2:-1]]
    assert found == ["student: encoder", "student: network", "teacher", "auxiliary head"]


def test_arguments_of_keras_give_its_own_table(model, capsys):
    assert any("Layer (type)" in line for line in lines_of(model, line_length=80))
    model.student.summary()
    assert "TwoTower" in capsys.readouterr().out


def test_lines_say_what_it_is(schema, model):
    assert (
        repr(schema) == "Schema(user: user_id, clicks; item: item_id; privileged (cross): affinity)"
    )
    student = repr(model.student)
    assert re.fullmatch(r"Ranker\('student', TwoTower, sees='served', \d+ parameters\)", student)
    assert repr(model) == (
        f"Distillation('{model.name}', student={student}, teacher={model.teacher!r}, "
        f"{model.count_params():,} parameters)"
    )
    many = Schema(user=[Numeric(f"n{i}") for i in range(20)], item=(Categorical("item_id"),))
    assert repr(many) == (
        "Schema(user: n0, n1, n2, n3, n4, n5, n6, n7, … 12 more; item: item_id; to be adapted)"
    )


def cells(html):
    """The text of a table's rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_a_schema_is_a_table_of_its_features(schema):
    assert cells(schema._repr_html_()) == [
        ["feature", "kind", "side", "rows of its table"],
        ["user_id", "Categorical", "user", "5"],
        ["clicks", "Sequence", "user", "4"],
        ["item_id", "Categorical", "item", "4"],
        ["affinity", "Numeric", "privileged (cross)", "3"],
    ]
    new = Schema(user=(Numeric("age"),), item=(Categorical("item_id"),), sample_weight="seconds")
    assert cells(new._repr_html_())[1:] == [
        ["age", "Numeric", "user", ""],
        ["item_id", "Categorical", "item", ""],
    ]
    assert "2 features, to be adapted; label in &#x27;label&#x27;, weight in" in new._repr_html_()


def test_models_show_the_widths_and_parameters_of_their_features(model):
    found = cells(model._repr_html_())
    start = found.index(
        ["ranker", "feature", "kind", "side", "rows of its table", "width", "parameters"]
    )
    assert found[start + 1 :] == [
        ["student", "user_id", "Categorical", "user", "5", "2", "10"],
        # Of one table with `item_id`, and counted there.
        ["student", "clicks", "Sequence", "user", "4", "2", "0"],
        ["student", "item_id", "Categorical", "item", "4", "2", "8"],
        ["teacher", "user_id", "Categorical", "user", "5", "2", "shared"],
        ["teacher", "clicks", "Sequence", "user", "4", "2", "shared"],
        ["teacher", "item_id", "Categorical", "item", "4", "2", "shared"],
        ["teacher", "affinity", "Numeric", "privileged (cross)", "3", "2", "6"],
    ]
    shown = sum(int(row[-1]) for row in found[start + 1 :] if row[-1] != "shared")
    held = {
        id(w): w
        for part in (model.student, model.teacher)
        for e in part.encoders
        for w in e.weights
    }
    assert shown == sum(int(tf.size(w)) for w in held.values())
    assert cells(model.student._repr_html_())[1][0] == "encoder"


def test_html_is_escaped():
    assert html_table(["<a>", "n"], [("<script>", 1234567), (None, 0.123456)], ["n"]) == (
        '<table style="margin-bottom:1em"><thead><tr><th style="text-align:left">&lt;a&gt;</th>'
        '<th style="text-align:right">n</th></tr></thead>'
        '<tbody><tr><td style="text-align:left">&lt;script&gt;</td>'
        '<td style="text-align:right">1,234,567</td></tr>'
        '<tr><td style="text-align:left"></td><td style="text-align:right">0.1235</td></tr>'
        "</tbody></table>"
    )
    schema = Schema(user=(), item=(Categorical("item_id"),), label="<b>label</b>")
    assert "<b>label" not in schema._repr_html_()


# Names.


def test_rankers_are_called_by_their_part(schema):
    first, second = (Ranker(schema, TwoTower([2]), sees=sees) for sees in ("served", "all"))
    Distillation(student=first, teacher=second)
    assert (first.name, second.name) == ("student", "teacher")
    with pytest.raises(ValueError, match="ranker 'teacher' with sees='all' needs"):
        second.check_inputs(["user_id"])
    # A student that teaches the next one.
    third = Ranker(schema, TwoTower([2]))
    Distillation(student=third, teacher=first)
    assert (third.name, first.name) == ("student", "teacher")


def test_names_of_ones_own_stay(schema):
    student = Ranker(schema, TwoTower([2]), name="coarse")
    teacher = Ranker(schema, TwoTower([2]), sees="all", name="ranker_of_clicks")
    Distillation(student=student, teacher=teacher)
    assert (student.name, teacher.name) == ("coarse", "ranker_of_clicks")


@pytest.mark.slow
def test_files_with_other_names_load(model, tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(DISTILLATION, "name_part", lambda ranker, name: None)
        student = Ranker(model.student.schema, TwoTower([2]), name="ranker")
        teacher = Ranker(student.schema, MLP([2]), "all", student.encoder, name="ranker_1")
        old = Distillation(student=student, teacher=teacher)
        old.save(tmp_path / "old.keras")
        old.save_weights(tmp_path / "old.weights.h5")
    loaded = keras.models.load_model(tmp_path / "old.keras")
    assert (loaded.student.name, loaded.teacher.name) == ("student", "teacher")
    for weight, expected in zip(loaded.get_weights(), old.get_weights(), strict=True):
        assert (weight == expected).all()
    loaded.load_weights(tmp_path / "old.weights.h5")
    for weight, expected in zip(loaded.get_weights(), old.get_weights(), strict=True):
        assert (weight == expected).all()
