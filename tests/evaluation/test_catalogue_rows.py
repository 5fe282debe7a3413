"""What users chose of a catalogue, in lists and asked of the whole of it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfpfd import CatalogueSplits, Categorical, FeatureEncoder, Numeric, Ranker, Schema, TwoTower
from tfpfd import Sequence as History
from tfpfd.data import LIST, from_positives
from tfpfd.data.common_features import ONCE
from tfpfd.evaluation import Embeddings, evaluate_catalogue, multiplicities
from tfpfd.evaluation.catalogue_rows import CatalogueRows

ITEMS = 12
SCHEMA = Schema(
    [Categorical("user"), History("clicks", of="film", length=3)],
    [Categorical("film", dtype="int"), Numeric("year", buckets=3)],
    {"cross": [Numeric("score", buckets=4), Numeric("other", buckets=4)]},
)


def scores_of(frame):
    assert list(frame) == ["user", "at", "film"]
    made = np.sin(frame["film"] * frame["at"])
    return pd.DataFrame({"score": made, "other": -made})


def rows(users, films, start):
    moments = np.arange(start, start + len(users))
    clicks = [[(at + film) % ITEMS] for at, film in zip(moments, films, strict=True)]
    return pd.DataFrame({"user": list(users), "film": films, "at": moments, "clicks": clicks})


DATA = CatalogueSplits(
    train=rows("aabbcd", [0, 1, 2, 3, 4, 5], 1),
    validation=rows("abc", [2, 3, 5], 10),
    test=rows("baabd", [0, 4, 2, 5, 5], 20),
    items=pd.DataFrame({"film": range(ITEMS), "year": np.arange(ITEMS) + 1900}),
    schema=SCHEMA,
    user="user",
    item="film",
    exposed=pd.DataFrame({"user": ["a", "b"], "film": [6, 7]}),
    seen=pd.DataFrame({"user": ["a"], "film": [8]}),
    history=pd.DataFrame({"user": ["a", "e"], "film": [9, 0]}),
    privileged=scores_of,
    extra_columns=["at"],
    drawn=3,
)


@pytest.fixture(scope="module")
def looked_up():
    return CatalogueRows.look_up(DATA)


@pytest.fixture(scope="module")
def student(looked_up):
    encoder = FeatureEncoder(looked_up.schema, dim=2)
    return Ranker(looked_up.schema, TwoTower([3]), encoder=encoder)


def films_of(columns):
    """Film ids of table rows: the vocabulary is the catalogue."""
    return columns - 2


def epoch(batches):
    """All batches of an epoch as one, without the numbers of lists and of other groups."""
    parts = list(batches)
    names = [name for name in parts[0][0] if name != LIST and not name.startswith(ONCE)]
    return {name: np.concatenate([inputs[name] for inputs, *_ in parts]) for name in names}


def test_every_item_of_the_catalogue_is_known(looked_up):
    assert sorted(looked_up.schema.vocabularies["film"].vocabulary) == list(range(ITEMS))
    assert looked_up.privileged == ["score", "other"]


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ("train", {"a": {0, 1, 6, 9}, "b": {2, 3, 7}, "c": {4}, "d": {5}}),
        ("validation", {"a": {0, 1, 2, 6, 9}, "b": {2, 3, 7}, "c": {4, 5}, "d": {5}}),
        ("test", {"a": {0, 1, 2, 4, 6, 8, 9}, "b": {0, 2, 3, 5, 7}, "d": {5}}),
    ],
)
def test_what_was_shown_is_not_drawn(looked_up, part, shown):
    rows, lists = getattr(DATA, part), looked_up.lists[part]
    films = np.array(DATA.items["film"])[lists.columns.item].reshape(len(rows), 4)
    np.testing.assert_array_equal(films[:, 0], rows["film"])
    np.testing.assert_array_equal(lists.labels.reshape(-1, 4), [[1, 0, 0, 0]] * len(rows))
    for user, own in zip(rows["user"], films, strict=True):
        assert not shown[user] & set(own[1:].tolist())


def test_lists_are_those_of_from_positives(looked_up):
    exposed = pd.concat([DATA.exposed, DATA.history])
    expected = from_positives(
        DATA.train,
        DATA.items,
        looked_up.schema,
        user="user",
        item="film",
        exposed=exposed,
        drawn=3,
        privileged=scores_of,
        extra_columns=["at"],
        batch_size=8,
        shuffle=True,
        seed=0,
    )
    for (inputs, labels), (theirs, their_labels) in zip(
        looked_up.batches("kept", 8, seed=0), expected, strict=True
    ):
        np.testing.assert_array_equal(labels, their_labels)
        assert set(inputs) == set(theirs)
        # Numbers of lists and groups are those of one dataset alone.
        for name in SCHEMA.features():
            np.testing.assert_array_equal(inputs[name], theirs[name])


def test_arms_of_a_seed_meet_the_same_items_in_the_same_order(looked_up):
    kept, shuffled, zeroed = (
        epoch(looked_up.batches(treatment, 8, seed=5))
        for treatment in ("kept", "shuffled", "zeroed")
    )
    for name in set(kept) - {"score", "other"}:
        np.testing.assert_array_equal(shuffled[name], kept[name])
        np.testing.assert_array_equal(zeroed[name], kept[name])
    assert not zeroed["score"].any()
    assert not zeroed["other"].any()
    assert sorted(shuffled["score"]) == sorted(kept["score"])
    assert (shuffled["score"] != kept["score"]).any()
    # Features of a row stay together.
    pairs = zip(kept["score"], kept["other"], strict=True)
    assert set(zip(shuffled["score"], shuffled["other"], strict=True)) == set(pairs)
    other = epoch(looked_up.batches("kept", 8, seed=6))
    assert (other["film"] != kept["film"]).any()


def test_a_smaller_share_is_part_of_a_larger_one(looked_up):
    def lists(size):
        train = looked_up.share(size).lists["train"]
        films = train.columns.item.reshape(-1, 4).tolist()
        scores = train.columns.of_rows[0]["score"].reshape(-1, 4).tolist()
        users = train.columns.of_lists["user"].tolist()
        return list(zip(films, scores, users, train.users, strict=True))

    third, half, whole = lists(1 / 3), lists(0.5), lists(1.0)
    assert [len(third), len(half), len(whole)] == [2, 3, 6]
    assert all(one in half for one in third)
    # In the order of the rows.
    assert [one for one in whole if one in half] == half
    assert looked_up.share(0.5).lists["test"] is looked_up.lists["test"]


def test_logits_are_those_of_the_lists_in_their_order(looked_up, student):
    found = looked_up.lists["test"].logits(student)
    ((inputs, _),) = looked_up.lists["test"].batches(999)
    np.testing.assert_allclose(found.ravel(), student(inputs), rtol=1e-5)
    assert found.shape == (5, 4)


def test_what_is_asked_of_the_catalogue(looked_up):
    validation, test = looked_up.asked["validation"], looked_up.asked["test"]
    assert validation.users.tolist() == ["a", "b", "c"]
    assert test.users.tolist() == ["a", "b", "d"]
    assert test.first.tolist() == [1, 0, 4]

    def held(matrix):
        return [set(np.flatnonzero(row).tolist()) for row in matrix.toarray()]

    assert held(validation.relevant) == [{2}, {3}, {5}]
    assert held(validation.excluded) == [{0, 1, 6, 9}, {2, 3, 7}, {4}]
    assert held(test.relevant) == [{4, 2}, {0, 5}, {5}]
    assert held(test.excluded) == [{0, 1, 2, 6, 8, 9}, {2, 3, 7}, {5}]


@pytest.mark.slow
def test_metrics_are_those_of_a_matrix_made_by_hand(looked_up, student):
    """Each user as of the first test row, with every item of the catalogue."""
    firsts = DATA.test.iloc[[1, 0, 4]]
    schema = looked_up.schema
    logits = []
    for place in range(3):
        frame = firsts.iloc[np.repeat(place, ITEMS)].drop(columns="film").reset_index(drop=True)
        frame = pd.concat([frame, DATA.items], axis=1)
        names = [*schema.user, *schema.item]
        columns = schema.columns({f.name: frame[f.name] for f in names}, names)
        logits.append(np.asarray(student(schema.served().lookup(columns))))
    relevant = [[4, 2], [0, 5], [5]]
    excluded = [[0, 1, 2, 6, 8, 9], [2, 3, 7], [5]]
    counts = multiplicities(3, 10)
    expected = evaluate_catalogue(np.array(logits), relevant, excluded, [2, 5], counts)
    found = looked_up.evaluate(student, "test", ["ndcg@5", "recall@2"], counts)
    assert list(found) == ["ndcg@5", "recall@2"]
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name])
    assert isinstance(looked_up.embeddings(student, "test"), Embeddings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"privileged": None}, "`privileged` must make .*received None"),
        ({"drawn": 0}, "`drawn` must be an integer of at least 1"),
        (
            {"test": rows("a", [0], 20)},
            "`data.test` must hold, for some user, an item that wasn't shown before",
        ),
        ({"items": DATA.items[:5]}, "`items` must hold the item of every row"),
    ],
)
def test_refusals(changed, message):
    with pytest.raises(ValueError, match=message):
        CatalogueRows.look_up(dataclasses.replace(DATA, **changed))


def test_batches_are_those_that_an_audit_trains_on(looked_up):
    schema = DATA.adapt()
    assert schema.to_dict() == looked_up.schema.to_dict()
    theirs = list(DATA.batches("train", schema, batch_size=8))
    ours = list(looked_up.lists["train"].batches(8))
    for (inputs, labels), (expected, their_labels) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(labels, their_labels)
        for name in SCHEMA.features():
            np.testing.assert_array_equal(inputs[name], expected[name])
    served = DATA.batches("test", schema.served())
    assert not {"score", "other"} & set(served.element_spec[0])
    with pytest.raises(ValueError, match=r"`part` must be one of .*, received 'all'"):
        DATA.batches("all", schema)


def test_the_list_key_may_be_the_users_id():
    schema = dataclasses.replace(SCHEMA, list_key="user")
    assert DATA.adapt(schema).features()["user"].vocabulary == tuple("abcd")
    assert DATA.adapt(dataclasses.replace(SCHEMA, list_key="request")).adapted
