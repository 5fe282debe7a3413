"""The next version learns from the last one's soft labels, new ids included."""

import dataclasses
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tfpfd import (
    MLP,
    Categorical,
    FusedTeachers,
    Numeric,
    Ranker,
    Schema,
    Version,
    WarmUp,
    export,
    lineage,
    losses,
    retrain,
    save_version,
    score_rows,
)
from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.evaluation import auc


def sum_of(weights):
    """A scorer of columns."""
    return FusedTeachers({name: name for name in weights}, weights)


def eagerly(rate=0.1):
    # A few steps are faster without a graph, and without metrics.
    return {"optimizer": keras.optimizers.SGD(rate), "run_eagerly": True, "metrics": []}


@keras.utils.register_keras_serializable(package="tests.objectives")
class Recorder(keras.layers.Layer):
    """A frozen scorer that remembers the soft labels by the number of the row, and the batches."""

    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.seen, self.batches = [], []

    def call(self, inputs, training=None):
        if hasattr(inputs["row"], "numpy"):
            numbers, scores = inputs["row"].numpy(), inputs["previous"].numpy()
            self.batches.append(numbers.astype(int).tolist())
            self.seen.extend(zip(numbers.astype(int).tolist(), scores.tolist(), strict=True))
        return inputs["previous"]


@pytest.mark.slow
def test_soft_labels_are_the_logits_of_the_previous_version(first, tuesday, linear):
    """By the previous version's own ids: a film or user it never saw is in its row 1."""
    recorder, rows = Recorder(), tuesday.assign(row=range(len(tuesday)))
    retrain(
        first, rows, linear, scorer=recorder, extra_columns=["row"], compile=eagerly(), verbose=0
    )
    previous = first.load()
    numbers, scores = zip(*sorted(recorder.seen), strict=True)
    assert numbers == tuple(range(len(rows)))
    found = np.array(scores)
    ids = from_rows(rows, first.schema.served(), batch_size=len(rows))
    np.testing.assert_allclose(found, previous.predict(ids, verbose=0), rtol=0, atol=1e-6)
    # A row whose ids are all new gets the score of any other unknown ids.
    unknown = rows.assign(
        film_id=rows["film_id"].where(~rows["film_id"].isin(["f6", "f7"]), "never"),
        user_id=rows["user_id"].where(rows["user_id"] != 5, 999),
        history=[[v if v not in ("f6", "f7") else "never" for v in h] for h in rows["history"]],
    )
    np.testing.assert_allclose(found, score_rows(previous, unknown), rtol=0, atol=1e-6)
    assert np.ptp(found) > 1  # Soft labels that are all alike would say nothing.


@pytest.mark.slow
def test_the_student_knows_the_new_ids(first, tuesday, linear):
    version = retrain(first, tuesday, linear, compile=eagerly(), verbose=0)
    assert version.details["new_ids"] == {"user_id": 1, "film_id": 2, "genres": 0}
    assert version.schema.vocabularies["user_id"].vocabulary is not None
    assert set(version.schema.vocabularies["user_id"].vocabulary) == {2, 3, 4, 5}
    row = tuesday.iloc[:1].assign(history=[["f2"]])
    scores = [
        score_rows(version.load(), row.assign(film_id=film))[0] for film in ("f2", "f6", "f7", "f9")
    ]
    assert len(set(scores)) == 4  # f9 is out of vocabulary, f6 and f7 are not any more.


@pytest.mark.slow
def test_at_weight_1_a_warm_start_on_known_ids_stays_where_it_is(first, monday, linear):
    """The cross entropy with the student's own soft labels is stationary: no gradient."""
    version = retrain(
        first,
        monday,
        linear,
        distillation_weight=1.0,
        warm_start=True,
        compile=eagerly(1.0),
        verbose=0,
    )
    for new, old in zip(version.load().get_weights(), first.load().get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)


@pytest.mark.slow
def test_a_fresh_student_comes_to_agree_with_the_previous_version(first, monday, linear):
    """At λ = 1 with squared logits, labels count for nothing and the previous version for all."""
    version = retrain(
        first,
        pd.concat([monday] * 60),
        linear,
        distillation_weight=1.0,
        distillation_loss=losses.SquaredLogits(),
        compile={"optimizer": keras.optimizers.Adam(0.05), "metrics": []},
        batch_size=20,
        verbose=0,
    )
    target = score_rows(first.load(), monday)
    error = score_rows(version.load(), monday) - target
    assert np.mean(error**2) < 0.05 * np.var(target)


@pytest.mark.slow
def test_without_a_warm_start_ids_that_vanished_are_forgotten(first, tuesday, linear):
    fresh = retrain(first, tuesday, linear, compile=eagerly(), verbose=0)
    warm = retrain(first, tuesday, linear, warm_start=True, compile=eagerly(), verbose=0)
    assert "f1" not in fresh.schema.vocabularies["film_id"].vocabulary
    assert "f1" in warm.schema.vocabularies["film_id"].vocabulary
    # No row of tuesday holds film 1, so what version 0 knew of it is there unchanged.
    place = first.schema.lookup({"film_id": np.array(["f1"], object)})["film_id"][0]
    tables = [version.load().encoder.tables["film_id"] for version in (first, warm)]
    old, new = (np.array(t.table)[t.offset["film_id"] + int(place)] for t in tables)
    np.testing.assert_array_equal(new, old)


@pytest.mark.slow
def test_a_line_of_three_versions(taught, log, monday, tuesday, two_tower, tmp_path):
    """Version 1 needs no teacher any more, version 2 has one plugged in again."""
    wednesday = log([3, 4, 5, 6], [5, 6, 7, 8], seed=2)
    save_version(tmp_path / "films", taught.student, metrics={"student_auc": 0.5})
    settings = {"batch_size": 30, "verbose": 0}
    settings["compile"] = {"optimizer": "sgd", "run_eagerly": True}
    retrain(tmp_path / "films", tuesday, two_tower, validation=wednesday, **settings)
    last = retrain(
        tmp_path / "films",
        wednesday,
        two_tower,
        validation=tuesday,
        teachers={"all": taught.teacher},
        scorer=sum_of({"previous": 0.75, "all": 0.25}),
        distillation_weight=WarmUp(0.8, steps=2),
        details={"until": "2022-04-27"},
        **settings,
    )
    frame = lineage(tmp_path / "films")
    assert frame["parent"].tolist() == [pd.NA, 0, 1]
    assert frame["rows"].tolist()[1:] == [60, 60]
    assert frame.loc[2, "until"] == "2022-04-27"
    assert frame.loc[2, "teachers"] == ["all"]
    assert frame.loc[2, "weight"] == {"distillation_weight": 0.8, "steps": 2}
    assert frame.loc[1, "new_ids"]["film_id"] == 2
    # The metrics are the student's on the rows given; its scorer's stand beside them.
    scores = score_rows(last.load(), tuesday)
    assert frame.loc[2, "student_auc"] == pytest.approx(auc(tuesday["liked"], scores), abs=0.02)
    previous = score_rows(Version.read(tmp_path / "films" / "1").load(), tuesday)
    fused = 0.75 * previous + 0.25 * score_rows(taught.teacher, tuesday)
    assert last.metrics["teacher_auc"] == pytest.approx(auc(tuesday["liked"], fused), abs=0.02)


@pytest.mark.slow
def test_the_new_student_is_exported_as_any_other(taught, tuesday, two_tower, tmp_path):
    first = save_version(tmp_path / "films", taught.student)
    version = retrain(first, tuesday, two_tower, compile=eagerly(), verbose=0)
    items = tuesday[["film_id", "genres"]].drop_duplicates("film_id")
    path = export(version.load(), items, tmp_path / "saved_models", k=3, verbose=0)
    assert (path / "saved_model.pb").is_file()
    assert not version.schema.sides["privileged"]


@pytest.mark.slow
def test_lists_stay_together(first, tuesday, linear):
    """Losses of lists need the rows of a user in one batch."""
    schema = first.schema.served()
    schema = dataclasses.replace(schema, list_key="user_id")
    recorder = Recorder()
    version = retrain(
        first,
        tuesday.assign(row=range(len(tuesday))),
        linear,
        schema=schema,
        scorer=recorder,
        extra_columns=["row"],
        by_list=True,
        batch_size=20,
        distillation_loss=losses.SoftListwiseSoftmax(),
        compile={**eagerly(), "loss": losses.ListwiseSoftmax()},
        verbose=0,
    )
    assert version.schema.list_key == "user_id"
    assert sorted(np.concatenate(recorder.batches)) == list(range(len(tuesday)))
    users = tuesday["user_id"].to_numpy()
    assert sum(len(set(users[batch])) for batch in recorder.batches) == len(set(users))


@pytest.mark.slow
def test_an_interrupted_training_writes_nothing(first, monday, linear, tmp_path):
    save_version(tmp_path, first.load())

    def interrupt(*_):
        raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_epoch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        retrain(tmp_path, monday, linear, compile=eagerly(), callbacks=[stop], verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_a_line_that_cant_be_written_is_refused_before_training(first, monday, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)

    def make(schema):
        raise AssertionError("not reached")

    with pytest.raises(PermissionError, match="can't be written"):
        retrain(first, monday, make, verbose=0)


def test_logits_that_are_not_finite_are_refused(first, monday, linear):
    teacher = first.load()
    teacher.set_weights([weight * np.nan for weight in teacher.get_weights()])
    arguments = {"teachers": {"other": teacher}, "scorer": sum_of({"other": 1.0})}
    with pytest.raises(ValueError, match="gives 60 of 60 rows logits that aren't finite"):
        retrain(first, monday, linear, verbose=0, **arguments)


def test_a_training_that_diverges_writes_nothing(first, monday, linear, tmp_path):
    line = shutil.copytree(first.path, tmp_path / "0").parent
    with pytest.raises(ValueError, match="`student` has diverged: "):
        retrain(line, monday, linear, compile=eagerly(1e38), verbose=0)
    assert [path.name for path in line.iterdir()] == ["0"]
    assert retrain(line, monday, linear, compile=eagerly(), verbose=0).number == 1


def test_a_student_that_holds_a_teacher_is_refused_before_training(first, monday, linear):
    def make(schema):
        student = linear(schema)
        student.note = SimpleNamespace(teacher=Ranker(TEACHERS, MLP([2]), sees="all", name="t"))
        return student

    with pytest.raises(ValueError, match=r"student\.note\.teacher is ranker 't', which sees"):
        retrain(first, monday, make, callbacks=["not reached"], verbose=0)


TEACHERS = Schema(
    user=[Categorical("user_id", dtype="int", vocabulary=(1,))],
    item=[],
    privileged={"cross": [Numeric("affinity", boundaries=(0.5,))]},
)


@pytest.mark.slow
def test_refusals(first, monday, tuesday, linear, tmp_path):
    teacher = first.load()

    def refused(kind, message, data=monday, previous=first, make=linear, **arguments):
        with pytest.raises(kind, match=message):
            retrain(previous, data, make, **{"verbose": 0, **arguments})

    scorer = sum_of({"like": 1.0})
    refused(TypeError, r"received Ranker; `tfpfd.save_version\(path, ", previous=teacher)
    refused(FileNotFoundError, "holds no version", previous=tmp_path)
    refused(TypeError, "`data` must be a DataFrame, received dict", data={})
    refused(TypeError, "`validation` must be a DataFrame, received str", validation="rows")
    refused(ValueError, r"`data` has columns \['previous'\]", data=monday.assign(previous=0.0))
    refused(
        ValueError,
        r"`validation` has columns \['like'\]",
        validation=monday.assign(like=0.0),
        teachers={"like": teacher},
        scorer=scorer,
    )
    refused(ValueError, r"`teachers` \['like'\] need a `scorer`", teachers={"like": teacher})
    refused(TypeError, "must hold Rankers, received 'like': 'a'", teachers={"like": "a"})
    refused(
        ValueError, "`teachers` names 'previous'", teachers={"previous": teacher}, scorer=scorer
    )
    refused(ValueError, "`scorer` must be frozen", scorer=keras.layers.Dense(1))
    refused(ValueError, "leave `schema` out", schema=first.schema, warm_start=True)
    refused(ValueError, "missing column 'age'", data=monday.drop(columns="age"))
    refused(ValueError, "of another schema", make=lambda schema: first.load())
    refused(TypeError, "must return a tfpfd.Ranker", make=lambda schema: keras.layers.Dense(1))
    refused(ValueError, r"name \['rows'\]: expected names used once", details={"rows": 1})
    refused(ValueError, r"name \['student_auc'\]", details={"student_auc": 1})
    swapped = lambda schema: Ranker(schema, MLP([2]), sees="all")  # noqa: E731
    refused(ValueError, "received one with sees='all': are student and teacher", make=swapped)
    unlabelled, given = monday.drop(columns="liked"), first.schema.served()
    refused(ValueError, "missing column 'liked'", data=unlabelled, schema=given)
    refused(ValueError, "missing column 'liked'", validation=unlabelled)
    refused(ValueError, "missing column 'score'", extra_columns=["score"])
    refused(
        TypeError,
        "`distillation_weight` must have a configuration that JSON can hold",
        distillation_weight=Odd(),
    )


class Odd:
    """A schedule whose configuration JSON can't hold."""

    def __call__(self, step):
        raise AssertionError("not reached: refused before training")

    def get_config(self):
        return {"weight": np.float32(0.5)}


@pytest.mark.slow
def test_the_weight_may_be_a_number_of_numpy(first, monday, linear):
    version = retrain(
        first, monday, linear, distillation_weight=np.float32(0.25), compile=eagerly(), verbose=0
    )
    assert version.details["weight"] == 0.25
