"""`top_k_where`: what a look at every item in NumPy finds, over requests drawn at random."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Ranker, Schema, Sequence, TwoTower, export

pytestmark = pytest.mark.slow

LOWEST = np.finfo(np.float32).min
ITEMS = 200


def schema_of(kind):
    ids = tuple(f"i{n}" for n in range(20)) if kind == "string" else tuple(range(20))
    return Schema(
        user=(
            Categorical("user_id", vocabulary=("u1", "u2")),
            Sequence("seen", of="item_id", length=2),
        ),
        item=(
            Categorical("item_id", dtype=kind, vocabulary=ids),
            Categorical("brand", dtype=kind, vocabulary=ids[:5], optional=True),
            Categorical("tags", vocabulary=("a", "b"), length=2),
            Numeric("price", boundaries=(0.0, 1.0), optional=True),
        ),
    )


class Served:
    """An export with attributes, and its items as plain lists."""

    def __init__(self, kind, base):
        random = np.random.default_rng(0)
        self.kind, self.nothing = kind, "" if kind == "string" else -1
        self.ids = [self.id(n) for n in random.permutation(ITEMS)]
        self.brands = [self.id(n) if n >= 0 else None for n in random.integers(-1, 8, ITEMS)]
        self.tags = [["a", "b", "c", "d"][s : s + n] for s, n in random.integers(0, 3, (ITEMS, 2))]
        self.prices = np.where(
            random.random(ITEMS) < 0.1, np.nan, random.normal(size=ITEMS)
        ).astype(np.float32)
        student = Ranker(schema_of(kind), TwoTower([4]))
        # Few embeddings, so many scores are equal.
        weights = [np.random.default_rng(1).uniform(-1, 1, w.shape) for w in student.get_weights()]
        student.set_weights(weights)
        items = {
            "item_id": self.ids,
            "brand": self.brands,
            "tags": self.tags,
            "price": self.prices,
        }
        path = export(
            student,
            items,
            base,
            attributes=["brand", "tags", "price"],
            warmup_requests=False,
            verbose=0,
        )
        self.loaded = tf.saved_model.load(str(path))

    def id(self, number):
        return f"i{number}" if self.kind == "string" else int(number)

    def padded(self, rows):
        width = max(map(len, rows), default=0)
        values = [[*row, *[self.nothing] * (width - len(row))] for row in rows]
        dtype = tf.string if self.kind == "string" else tf.int64
        return tf.constant(values, dtype, [len(rows), width])


@pytest.fixture(scope="module", params=["string", "int"])
def served(request, tmp_path_factory):
    return Served(request.param, tmp_path_factory.mktemp(request.param))


def nothing_asked(served, rows):
    """A request without rules."""
    none = served.padded([[]] * rows)
    return {
        "user_id": tf.constant(["u1", "u2", "never"][:rows]),
        "seen": none,
        "allowed_ids": none,
        "blocked_ids": none,
        "exclude_history": tf.zeros([rows], tf.bool),
        "brand_in": none,
        "tags_in": tf.constant([[""]] * rows),
        "price_min": tf.fill([rows], np.nan),
        "price_max": tf.fill([rows], np.nan),
    }


def ask(served, k, request):
    found = served.loaded.signatures["top_k_where"](k=tf.constant(k), **request)
    ids = [
        [i.decode() if isinstance(i, bytes) else int(i) for i in row]
        for row in found["item_ids"].numpy()
    ]
    return ids, found["scores"].numpy()


def test_without_rules_it_is_top_k(served):
    request = nothing_asked(served, 3)
    plain = served.loaded.signatures["top_k"](
        k=tf.constant(50), user_id=request["user_id"], seen=request["seen"]
    )
    ids, scores = ask(served, 50, request)
    np.testing.assert_allclose(scores, plain["scores"], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(np.array(ids).astype("S"), plain["item_ids"].numpy().astype("S"))


@pytest.mark.parametrize("seed", range(15))
def test_it_is_brute_force(served, seed):
    random = np.random.default_rng(seed)

    def some(count, top=ITEMS + 20):
        return [served.id(n) for n in random.integers(0, top, random.integers(0, count))]

    rows = 3
    allowed = [some(60) if random.random() < 0.5 else [] for _ in range(rows)]
    blocked, seen = [some(40) for _ in range(rows)], [some(40) for _ in range(rows)]
    exclude = random.random(rows) < 0.5
    brands = [some(4, 9) if random.random() < 0.5 else [] for _ in range(rows)]
    tags = [
        list(random.choice(["a", "b", "c", "never"], random.integers(0, 3))) for _ in range(rows)
    ]
    lowest = np.where(random.random(rows) < 0.5, np.nan, random.normal(-1, 1, rows))
    highest = np.where(random.random(rows) < 0.5, np.nan, random.normal(1, 1, rows))
    width = max(1, *map(len, tags))
    request = {
        **nothing_asked(served, rows),
        "seen": served.padded(seen),
        "allowed_ids": served.padded(allowed),
        "blocked_ids": served.padded(blocked),
        "exclude_history": tf.constant(exclude),
        "brand_in": served.padded(brands),
        "tags_in": tf.constant([[*map(str, row), *[""] * (width - len(row))] for row in tags]),
        "price_min": tf.constant(lowest, tf.float32),
        "price_max": tf.constant(highest, tf.float32),
    }
    k = int(random.integers(1, ITEMS + 10))
    ids, scores = ask(served, k, request)
    everything = served.padded([served.ids] * rows)
    all_scores = served.loaded.signatures["score_candidates"](
        candidate_ids=everything, user_id=request["user_id"], seen=request["seen"]
    )["scores"].numpy()
    k = min(k, ITEMS)
    for row in range(rows):
        low, high = np.float32(lowest[row]), np.float32(highest[row])
        passing = [
            i
            for i, item in enumerate(served.ids)
            if (not allowed[row] or item in allowed[row])
            and item not in blocked[row]
            and not (exclude[row] and item in seen[row])
            and (not brands[row] or served.brands[i] in brands[row])
            and (not len(tags[row]) or set(served.tags[i]) & set(tags[row]))
            and (np.isnan(low) or served.prices[i] >= low)
            and (np.isnan(high) or served.prices[i] <= high)
        ]
        given = ids[row][: len(passing)]
        assert len(ids[row]) == k
        # What is filled up, and what comes before it.
        assert ids[row][len(passing) :] == [served.nothing] * max(k - len(passing), 0)
        assert (scores[row, len(passing) :] == LOWEST).all()
        assert set(given) <= {served.ids[i] for i in passing}
        assert len(set(given)) == min(k, len(passing))
        best = np.sort(all_scores[row, passing])[::-1][:k]
        np.testing.assert_allclose(scores[row, : len(passing)], best, rtol=1e-6, atol=1e-6)


def test_a_request_that_leaves_nothing_is_filled(served):
    request = {**nothing_asked(served, 2), "price_min": tf.constant([1e9, np.nan], tf.float32)}
    ids, scores = ask(served, 4, request)
    assert ids[0] == [served.nothing] * 4
    assert (scores[0] == LOWEST).all()
    assert served.nothing not in ids[1]
    assert np.isfinite(scores).all()


def test_wanted_ids_that_no_item_has_let_nothing_through(served):
    unknown = served.padded([[served.id(10**6)]])
    for name in ("allowed_ids", "brand_in"):
        ids, _ = ask(served, 3, {**nothing_asked(served, 1), name: unknown})
        assert ids == [[served.nothing] * 3]


@pytest.mark.parametrize(
    "names, message",
    [
        (["colour"], r"`attributes` must name .* \['item_id', 'brand', 'tags', 'price'\]"),
        (["user_id"], "`attributes` must name"),
        (["price", "price"], r"each once, .* received \['price', 'price'\]"),
    ],
)
def test_attributes_must_be_item_features(tmp_path, names, message):
    student = Ranker(schema_of("int"), TwoTower([2]))
    with pytest.raises(ValueError, match=message):
        export(student, {}, tmp_path, attributes=names)


def test_a_user_feature_with_the_name_of_a_filter_is_refused(tmp_path):
    schema = Schema(
        user=(Numeric("price_min", boundaries=(1.0,)),),
        item=(
            Categorical("item_id", vocabulary=("a",)),
            Numeric("price", boundaries=(1.0,)),
        ),
    )
    student = Ranker(schema, TwoTower([2]))
    with pytest.raises(ValueError, match=r"features \['price_min'\] have names that signatures"):
        export(student, {}, tmp_path, attributes=["price"])
