"""Lists of a row's item and drawn ones: the same batches as of rows written out."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import MLP, Categorical, Distillation, Numeric, Ranker, Schema, TwoTower, losses
from tfpfd import Sequence as History
from tfpfd.data import LIST, from_positives, from_rows

SCHEMA = Schema(
    [Categorical("user", vocabulary=("a", "b", "c")), History("clicks", of="film", length=3)],
    [
        Categorical("film", dtype="int", vocabulary=tuple(range(9))),
        Categorical("kind", vocabulary=("x", "y"), length=2),
    ],
    {"cross": [Numeric("score", boundaries=(-0.5, 0.5))]},
    list_key="request",
)


@pytest.fixture
def films():
    kinds = [["x"], ["y"], ["x", "y"]] * 3
    return pd.DataFrame({"film": range(9), "kind": kinds, "title": list("ABCDEFGHI")})


@pytest.fixture
def likes():
    columns = {"user": list("abcab"), "film": [0, 1, 2, 3, 8], "at": [5, 6, 7, 8, 9]}
    return pd.DataFrame(columns, index=[4, 4, 1, 0, 9]).assign(clicks=[[1], [], [3, 4], [0], [1]])


def score_of(frame):
    assert list(frame) == ["user", "at", "film"]
    return pd.DataFrame({"score": np.sin(frame["film"] * frame["at"])})


def written_out(batches):
    """Raw rows of batches, by what SCHEMA's table rows stand for."""
    for inputs, labels, *_ in batches:
        yield pd.DataFrame(
            {
                "user": np.array(list("??abc"))[inputs["user"].numpy()],
                "film": inputs["film"].numpy() - 2,
                "clicks": [(row[row > 0] - 2).tolist() for row in inputs["clicks"].numpy()],
                "request": inputs[LIST].numpy(),
                "label": labels.numpy(),
            }
        )


def make(likes, films, schema=SCHEMA, **settings):
    given = {"user": "user", "item": "film", "extra_columns": ["at"], "privileged": score_of}
    return from_positives(likes, films, schema, **{**given, **settings})


@pytest.mark.parametrize("shuffle", [False, True])
def test_lists_are_the_rows_item_and_others_that_were_not_shown(likes, films, shuffle):
    batches = list(written_out(make(likes, films, drawn=4, batch_size=12, shuffle=shuffle)))
    assert {len(batch) for batch in batches} <= {5, 10}
    found = pd.concat(batches, ignore_index=True)
    assert len(found) == 25
    shown = set(zip(likes["user"], likes["film"], strict=True))
    clicks = {(row.user, row.film): row.clicks for row in likes.itertuples()}
    for _, rows in found.groupby("request"):
        assert rows["label"].tolist() == [1, 0, 0, 0, 0]
        assert rows["user"].nunique() == 1
        pairs = list(zip(rows["user"], rows["film"], strict=True))
        assert not set(pairs[1:]) & shown
        assert rows["clicks"].tolist() == [clicks[pairs[0]]] * 5


def test_the_same_as_rows_written_out(likes, films):
    """Looked up once a user and once an item, each row is what it would be on its own."""
    batches = make(likes, films, drawn=3, batch_size=99)
    (found,) = written_out(batches)
    times = likes["at"].to_numpy().repeat(4)
    rows = found.merge(films, on="film", how="left").assign(at=times)
    rows["score"] = score_of(rows[["user", "at", "film"]])
    ((expected, _),) = from_rows(rows, SCHEMA, 99, by_list=True)
    ((inputs, _),) = batches
    assert {name for name in inputs if not name.startswith("__")} == set(SCHEMA.features())
    for name in SCHEMA.features():
        np.testing.assert_array_equal(inputs[name], expected[name])


def test_models_take_them(likes, films):
    encoder = tfpfd.FeatureEncoder(SCHEMA, dim=2)
    student = Ranker(SCHEMA, TwoTower([2]), encoder=encoder)
    teacher = Ranker(SCHEMA, MLP([2]), sees="all", encoder=encoder)
    model = Distillation(
        student=student, teacher=teacher, distillation_loss=losses.SoftListwiseSoftmax()
    )
    model.compile("adam", loss=losses.ListwiseSoftmax())
    shown = model.fit(make(likes, films), epochs=2, verbose=0).history
    assert np.isfinite(shown["loss"]).all()
    assert np.isfinite(student.predict(make(likes, films), verbose=0)).all()


def test_a_list_has_the_weight_of_its_row(likes, films):
    schema = Schema(SCHEMA.user, SCHEMA.item, sample_weight="w")
    weighted = likes.assign(w=[1, 2, 3, 4, 5])
    ((_, labels, weights),) = make(weighted, films, schema, drawn=2, privileged=None)
    assert weights.numpy().tolist() == np.repeat([1, 2, 3, 4, 5], 3).tolist()
    assert labels.numpy().tolist() == [1, 0, 0] * 5


def test_draws_and_seeds(likes, films):
    one, again, other = (
        [frame["film"].tolist() for frame in written_out(make(likes, films, seed=seed))]
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


REFUSED = {
    "no function": ({"privileged": None}, r"`privileged` must make .*\['score'\].*received None"),
    "a row too few": ({"privileged": lambda f: f[:1]}, "a row for each of 105, received 1"),
    "no column": ({"privileged": lambda f: f}, "missing column 'score'"),
    "nothing drawn": ({"drawn": 0}, "`drawn` must be an integer of at least 1"),
    "nothing left": (
        {"exposed": pd.DataFrame({"user": "a", "film": range(9)})},
        "no unexposed item is left for user a",
    ),
    "an item that isn't there": (
        {"items": lambda films: films[:8]},
        "`items` must hold the item of every row, received none for 1 of 5, such as film 8",
    ),
    "a row without a kept column": ({"rows": ["at"]}, "`rows` misses the columns"),
    "a row without a feature": ({"rows": ["clicks"]}, "missing column 'clicks'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(likes, films, case):
    settings, message = REFUSED[case]
    settings = dict(settings)
    rows = likes.drop(columns=settings.pop("rows", []))
    items = settings.pop("items", lambda films: films)(films)
    with pytest.raises(ValueError, match=message):
        make(rows, items, **settings)


def test_a_rows_own_item_is_never_drawn_beside_it(likes, films):
    """Not even where what was shown ends before the rows."""
    earlier = pd.DataFrame({"user": ["a", "b"], "film": [4, 5]})
    found = pd.concat(written_out(make(likes, films, drawn=60, exposed=earlier, batch_size=999)))
    negative = found[found["label"] == 0]
    pairs = set(zip(negative["user"], negative["film"], strict=True))
    shown = pd.concat([earlier, likes[["user", "film"]]])
    assert not pairs & set(zip(shown["user"], shown["film"], strict=True))


def test_no_rows(likes, films):
    with pytest.raises(ValueError, match="`rows` must hold at least one row, received none"):
        make(likes[:0], films)


def test_nothing_privileged_is_asked_for(likes, films):
    batches = make(likes, films, SCHEMA.served(), privileged=None)
    assert "score" not in next(iter(batches))[0]
    assert len(batches) == 1
    assert tf.data.experimental.cardinality(batches) == 1
