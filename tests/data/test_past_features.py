"""Past features against numbers by hand, plain loops, and events that must not matter."""

import re
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd import Categorical, Numeric, Schema
from tfpfd.data import PastFeatures, from_rows
from tfpfd.evaluation import ease, item_knn

pytest.importorskip("scipy")

COLUMNS = {"user": "user", "item": "item", "time": "day"}
# Before day 10: u had a and b, v had a, b and c, w had c. n_ab = 2, n_ac = n_bc = 1, all n_i = 2.
LOG = pd.DataFrame(
    [
        ("u", "a", 1, "x"),
        ("u", "b", 2, "y"),
        ("v", "a", 1, "x"),
        ("v", "b", 3, "y"),
        ("v", "c", 4, "x"),
        ("w", "c", 9, "x"),
        ("u", "a", 12, "x"),
        ("u", "c", 14, "x"),
    ],
    columns=["user", "item", "day", "genre"],
)


def made(events=LOG, **arguments):
    settings = {"until": 10, "category": "genre", "unit": "D", "windows": (1, 7)}
    return PastFeatures(events, **{**COLUMNS, **settings, **arguments})


def row(user, item, day, genre="x"):
    return pd.DataFrame({"user": [user], "item": [item], "day": [day], "genre": [genre]})


def features(row, **arguments):
    return made(**arguments).features(row).iloc[0]


class TestByHand:
    def test_items(self):
        found = features(row("u", "c", 13))
        # u had a and b: cosines 1 / √(2·2) each, co-counts 1 each.
        assert found["past_knn"] == 1.0
        assert found["past_co_count_sum"] == pytest.approx(2 * np.log(2))
        assert found["past_co_count_max"] == pytest.approx(np.log(2))

    def test_ease(self):
        # Of two items that two users had both, and λ = 1: XᵀX + I = [[3, 2], [2, 3]], so that
        # P = [[3, -2], [-2, 3]] / 5 and B = -P_ij / P_jj = 2/3.
        log = LOG[LOG["item"] != "c"]
        assert features(row("u", "b", 13), events=log, l2=1.0)["past_ease"] == pytest.approx(2 / 3)

    def test_the_own_item_says_nothing_of_itself(self):
        found = features(row("u", "a", 13))
        # Of u's a, b and a again, b alone counts, and b is had with a by two: 2 / √(2·2).
        assert found["past_knn"] == 1.0
        assert found["past_co_count_sum"] == pytest.approx(np.log(3))

    def test_an_item_that_was_had_twice_counts_once(self):
        # u had a on days 1 and 12.
        assert features(row("u", "c", 13))["past_knn"] == features(row("u", "c", 11))["past_knn"]

    def test_neighbours(self):
        # Nearest to a is b (cosine 1), not c (1/2).
        assert features(row("v", "a", 10))["past_knn"] == 1.5
        assert features(row("v", "a", 10), neighbours=1)["past_knn"] == 1.0

    def test_shrinkage(self):
        assert features(row("u", "c", 13), shrinkage=2)["past_knn"] == 0.5

    def test_the_latest_events_make_the_history(self):
        # The last event before day 11 is b.
        found = features(row("u", "c", 11), history=1)
        assert found["past_co_count_sum"] == pytest.approx(np.log(2))

    def test_categories(self):
        found = features(row("u", "c", 13))
        expected = {"count_1d": 1, "share_1d": 1, "count_7d": 1, "share_7d": 1, "count_all": 2}
        expected.update({"share_all": 2 / 3, "seen": 1, "recency": 1 / 2})
        for name, value in expected.items():
            assert found[f"past_category_{name}"] == pytest.approx(value), name

    def test_a_window_begins_with_its_first_moment(self):
        assert features(row("u", "c", 19))["past_category_count_7d"] == 2  # days 12 to 18
        assert features(row("u", "c", 20))["past_category_count_7d"] == 1

    def test_shares_of_a_window_without_events(self):
        found = features(row("w", "a", 30))
        assert found["past_category_share_7d"] == 0
        assert found["past_category_share_all"] == 1

    def test_equal_times_are_not_past(self):
        # u's events of day 14 don't count on day 14, nor do those of day 12 on day 12.
        assert features(row("u", "b", 12))["past_category_count_all"] == 1
        assert features(row("u", "b", 14))["past_category_count_all"] == 2
        assert features(row("u", "b", 15))["past_category_count_all"] == 3
        # What lies on the cut isn't before it: with c of day 4 alone, nobody had b and c.
        cut = features(row("v", "c", 10), until=4)
        assert cut["past_co_count_sum"] == 0

    def test_several_cuts(self):
        # From day 10 on n_ac = 1; from day 15 on, after u had c too, it is 2.
        found = made(until=[10, 15]).features(pd.concat([row("u", "c", 14), row("u", "c", 15)]))
        expected = np.log([2, 3])
        np.testing.assert_allclose(found["past_co_count_max"], expected, rtol=1e-6)


def random_log(seed, events=150, users=8, items=12, days=40):
    random = np.random.default_rng(seed)
    log = pd.DataFrame(
        {
            "user": random.integers(0, users, events),
            "item": random.integers(0, items, events),
            "day": random.integers(0, days, events),
        }
    )
    return log.assign(genre=log["item"] % 4)


def naive(log, rows, cuts, *, neighbours, l2, windows, history):
    """The definition, row by row."""
    tables = {}
    for cut in cuts:
        before = log[log["day"] < cut]
        shape = (log["user"].max() + 1, log["item"].max() + 2)
        pairs = (before["user"].to_numpy(), before["item"].to_numpy(), shape)
        x = np.zeros(shape)
        x[pairs[0], pairs[1]] = 1
        knn = item_knn(*pairs, neighbours=neighbours)._weights.toarray()
        # A row and column of items that nobody had doesn't change the others.
        tables[cut] = knn, x.T @ x, ease(*pairs, l2=l2)._weights
    out = []
    for at in rows.itertuples():
        knn, together, weights = tables[max(cut for cut in cuts if cut <= at.day)]
        past = log[(log["user"] == at.user) & (log["day"] < at.day)]
        past = past.sort_values("day", kind="stable")
        had = [i for i in set(past["item"].tail(history)) if i != at.item]
        logs = [np.log1p(together[i, at.item]) for i in had]
        values = [sum(knn[i, at.item] for i in had), sum(logs), max(logs, default=0)]
        values.append(sum(weights[i, at.item] for i in had))
        own = past[past["genre"] == at.genre]
        for window in (*windows, np.inf):
            count = (own["day"] >= at.day - window).sum()
            values += [count, count / max((past["day"] >= at.day - window).sum(), 1)]
        values += [len(own) > 0, 1 / (1 + at.day - own["day"].max()) if len(own) else 0]
        out.append(values)
    return np.array(out, np.float64)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pairs", [1_000_000, 7])
def test_against_plain_loops(seed, pairs, monkeypatch):
    monkeypatch.setattr("tfpfd.data.item_features._PAIRS", pairs)  # Chunks change nothing.
    log, cuts = random_log(seed), [10, 20, 33]
    # Also users and items that no event has.
    rows = random_log(seed + 100, events=90, users=10, items=14)
    rows = rows[(rows["day"] >= 10) & (rows["item"] < 13) & (rows["user"] < 9)]
    # All neighbours: which of equally near ones are left is no matter of the definition.
    settings = {"neighbours": 12, "l2": 2.0, "windows": (1, 7), "history": 9}

    found = made(log, until=cuts, **settings).features(rows)

    assert (found.dtypes == np.float32).all()
    expected = naive(log, rows, cuts, **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert (np.abs(expected).max(axis=0) > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 39), st.booleans())
def test_events_at_or_after_a_row_change_nothing(seed, day, shuffled):
    log, other = random_log(seed % 50), random_log(seed + 1000)
    rows = random_log(seed + 2000, events=20).assign(day=day)
    past = log[log["day"] < day]
    # Other events in their place, more of them, with ids of their own, and before those that count.
    later = other[other["day"] >= day]
    later = pd.concat([later, later.assign(item=later["item"] + 100, genre=9)])
    changed = pd.concat([later, past] if shuffled else [past, later])

    expected = made(log, neighbours=2).features(rows)

    pd.testing.assert_frame_equal(made(changed, neighbours=2).features(rows), expected)


def test_the_own_event_of_a_row_changes_nothing():
    log = random_log(0)
    rows = random_log(1, events=30).query("day >= 10")
    expected = made(log).features(rows)
    for place in range(len(rows)):
        with_own = pd.concat([log, rows.iloc[[place]]])
        found = made(with_own).features(rows.iloc[[place]])
        pd.testing.assert_frame_equal(found, expected.iloc[[place]])


def test_events_after_the_cut_are_not_in_the_tables():
    rows = random_log(1, events=30).assign(day=39, user=0)
    log = random_log(0)
    of_others = (log["user"] > 0) & (log["day"] >= 10)
    pd.testing.assert_frame_equal(made(log).features(rows), made(log[~of_others]).features(rows))


class TestIds:
    ROWS = random_log(1, events=30).query("day >= 10")

    def test_strings_as_integers(self):
        log = random_log(0)
        words = {name: "n" + log[name].astype(str) for name in ("user", "item", "genre")}
        asked = {name: "n" + self.ROWS[name].astype(str) for name in words}
        found = made(log.assign(**words)).features(self.ROWS.assign(**asked))
        pd.testing.assert_frame_equal(found, made(log).features(self.ROWS))

    @pytest.mark.parametrize("dtype", ["category", "Int64", object, "uint16"])
    def test_whatever_type_holds_them(self, dtype):
        log = random_log(0)
        types = dict.fromkeys(["user", "item", "genre"], dtype)
        expected = made(log).features(self.ROWS)
        typed = log.astype(types), self.ROWS.astype(types)
        for events, rows in ((typed[0], self.ROWS), (log, typed[1]), typed):
            pd.testing.assert_frame_equal(made(events).features(rows), expected)

    def test_unknown_user(self):
        assert (features(row("nobody", "a", 12)) == 0).all()

    def test_unknown_item(self):
        found = features(row("u", "nothing", 13))
        assert (
            found[["past_knn", "past_co_count_sum", "past_co_count_max", "past_ease"]] == 0
        ).all()
        assert found["past_category_count_all"] == 2

    @pytest.mark.parametrize("genre", [None, np.nan, "z"])
    def test_no_category(self, genre):
        # Of the second user: -1 as the category's code must not be the last one of the first's.
        found = features(row("v", "a", 13, genre))
        assert (found.filter(like="category") == 0).all()
        assert found["past_knn"] == 1.5

    def test_events_without_a_category_count_in_shares(self):
        events = LOG.assign(genre=[None, *LOG["genre"][1:]])
        found = features(row("u", "c", 13), events=events)
        assert found["past_category_count_all"] == 1
        assert found["past_category_share_all"] == pytest.approx(1 / 3)

    def test_no_event_has_a_category(self):
        found = features(row("u", "c", 13), events=LOG.assign(genre=None))
        assert (found.filter(like="category") == 0).all()


class TestTimes:
    @pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
    def test_datetimes(self, zone):
        def dated(days):
            return pd.to_datetime(days, unit="D", origin="2024-01-01").dt.tz_localize(zone)

        log = random_log(0)
        rows = random_log(1, events=30).query("day >= 10")
        cut = pd.Timestamp("2024-01-11", tz=zone)
        past = made(log.assign(day=dated(log["day"])), until=cut, unit=None)
        found = past.features(rows.assign(day=dated(rows["day"])))
        # January and February: no day of another length than 24 hours.
        pd.testing.assert_frame_equal(found, made(log).features(rows))

    def test_units(self):
        log, rows = random_log(0), random_log(1, events=30).query("day >= 10")
        for unit, day in {"h": 24, "s": 86_400, "ms": 86_400_000}.items():
            past = made(log.assign(day=log["day"] * day), until=10 * day, unit=unit)
            found = past.features(rows.assign(day=rows["day"] * day))
            pd.testing.assert_frame_equal(found, made(log).features(rows))


class TestResult:
    def test_index_and_order_are_those_of_the_rows(self):
        rows = random_log(1, events=30).query("day >= 10").sort_values("item")
        found = made(random_log(0)).features(rows)
        assert found.index.equals(rows.index)
        one_by_one = [made(random_log(0)).features(rows.iloc[[n]]) for n in range(len(rows))]
        pd.testing.assert_frame_equal(found, pd.concat(one_by_one))

    def test_no_rows(self):
        past = made()
        found = past.features(LOG.iloc[:0])
        assert found.shape == (0, len(past.declarations))

    def test_parts(self):
        items = made(category=None, unit=None, l2=None, prefix="clicks_")
        names = ["clicks_knn", "clicks_co_count_sum", "clicks_co_count_max"]
        assert [feature.name for feature in items.declarations] == names
        categories = made(until=None, windows=())
        assert not any("knn" in feature.name for feature in categories.declarations)
        # Without tables there is no cut.
        assert categories.features(row("u", "a", 2))["past_category_count_all"].item() == 1

    def test_arguments_are_left_unchanged(self):
        events, rows = LOG.copy(), row("u", "c", 13)
        made(events).features(rows)
        pd.testing.assert_frame_equal(events, LOG)
        pd.testing.assert_frame_equal(rows, row("u", "c", 13))

    def test_declarations_are_the_privileged_side_of_a_schema(self):
        log = random_log(0)
        past = made(log)
        rows = log[log["day"] >= 10].assign(label=0.0)
        rows = rows.join(past.features(rows))
        schema = Schema(
            user=(Categorical("user", dtype="int"),),
            item=(Categorical("item", dtype="int"),),
            privileged={"cross": past.declarations},
        ).adapt(rows, verbose=0)
        ((inputs, _),) = from_rows(rows, schema, batch_size=len(rows))
        assert all(isinstance(feature, Numeric) for feature in past.declarations)
        assert set(inputs) >= {feature.name for feature in past.declarations}


def test_the_example_of_the_docstring():
    code = re.search(r"^ +clicks = .*?(?=\n\n)", PastFeatures.__doc__, re.M | re.S)[0]
    names = {"pd": pd, "PastFeatures": PastFeatures}
    exec(textwrap.dedent(code), names)
    rows = names["rows"]
    assert rows["past_knn"].item() == pytest.approx(1 / np.sqrt(2))
    # One click in the genre, 3 days ago: among the last 7 days, not in the last one.
    assert rows["past_category_count_1d"].item() == 0
    assert rows["past_category_count_7d"].item() == 1
    assert rows["past_category_recency"].item() == 1 / 4


TWICE = r"`windows` must be a list of days, each once, received"


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"until": None, "category": None}, "one of `until` and `category` must be given"),
            ({"events": LOG.drop(columns="genre")}, r"`events` misses the columns \['genre'\]"),
            ({"events": LOG.iloc[:0]}, "`events` must hold at least one event"),
            ({"events": LOG.assign(user=None)}, "`events` must hold a user in every row.*8 miss"),
            ({"events": LOG.assign(item=None)}, "`events` must hold a item in every row.*8 miss"),
            ({"events": LOG.assign(day=None)}, "`events` must hold a day in every row.*8 missing"),
            ({"events": LOG.assign(day=0.5)}, "`events` must hold integers or datetimes as day"),
            ({"events": LOG.assign(day="1")}, "`events` must hold integers or datetimes as day"),
            ({"until": 1}, "`until` must have events before it, received 1"),
            ({"until": [10, 10]}, r"`until` must be a moment or ascending ones, received \[10, 1"),
            (
                {"until": []},
                "`until` must be a moment or ascending ones, received none; leave it out",
            ),
            ({"until": 9.5}, "`until` must hold integers or datetimes as moment, received float64"),
            (
                {"until": pd.Timestamp("2024-01-01")},
                "`until` must hold integers as the events do, received datetimes",
            ),
            ({"unit": None}, r"`unit` of integer times must be one of \['D', .*\], received None"),
            ({"unit": "days"}, "`unit` of integer times must be one of .* received 'days'"),
            (
                {"events": LOG.assign(day=pd.Timestamp("2024")), "until": None},
                "`unit` is that of integer times, received 'D' and datetimes",
            ),
            ({"windows": (1, 1)}, TWICE),
            ({"windows": 7}, TWICE),
            ({"windows": (0,)}, "`windows` must be an integer of at least 1, received 0"),
            ({"windows": (0.5,)}, "`windows` must be an integer of at least 1, received 0.5"),
            ({"history": 0}, "`history` must be an integer of at least 1"),
            ({"neighbours": 0}, "`neighbours` must be an integer of at least 1"),
            ({"shrinkage": -1}, "`shrinkage` must be a finite number from 0 on"),
            ({"l2": 0}, "`l2` must be above 0"),
            ({"prefix": "1_"}, "`name` of a feature must be a string of ASCII letters"),
        ],
    )
    def test_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            made(**arguments)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda rows: rows.drop(columns="day"), r"`rows` misses the columns \['day'\]"),
            (lambda rows: rows.assign(user=None), "`rows` must hold a user in every row"),
            (lambda rows: rows.assign(user=3), "`rows` and `events` must hold the same type of us"),
            (lambda rows: rows.assign(item=3), "`rows` and `events` must hold the same type of it"),
            (lambda rows: rows.assign(genre=3), "`rows` and `events` must hold the same type of g"),
            (
                lambda rows: rows.assign(day=pd.Timestamp("2024-01-01")),
                "`rows` must hold integers as times, received datetimes",
            ),
            (
                lambda rows: rows.assign(day=9),
                "`rows` must lie at or after the first moment of `until`.* received 1 of 1 before",
            ),
        ],
    )
    def test_rows(self, change, message):
        with pytest.raises(ValueError, match=message):
            made().features(change(row("u", "c", 13)))

    def test_without_scipy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "scipy", None)
        with pytest.raises(
            ImportError, match=r"scores of items need SciPy: pip install 'tfpfd\[audit"
        ):
            made()
        assert len(made(until=None).features(LOG)) == len(LOG)
