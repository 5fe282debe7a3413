import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.data import from_rows, sample_unexposed

SCHEMA = Schema(
    user=(Categorical("user", dtype="int"), Numeric("hour"), Sequence("clicks", of="film")),
    item=(Categorical("film"), Numeric("year"), Categorical("genres", length=2)),
    privileged={"cross": (Numeric("rate"),), "post_event": (Numeric("dwell"),)},
    label="liked",
)
FILMS = [f"f{n}" for n in range(8)]


@pytest.fixture
def items():
    return pd.DataFrame(
        {
            "film": FILMS,
            "year": [1990.0 + n for n in range(8)],
            "genres": [[f"g{n}"] for n in range(8)],
            "title": [f"Film {n}" for n in range(8)],
        },
        index=range(100, 108),
    )


@pytest.fixture
def rows(items):
    shown = pd.DataFrame(
        {"user": [1, 1, 2, 1, 3], "film": ["f0", "f3", "f0", "f0", "f7"]}, index=[5, 5, 5, 0, 1]
    )
    shown["hour"] = [0.0, 1.0, 2.0, 3.0, 4.0]
    shown["clicks"] = [["f1"], [], ["f2", "f1"], [], []]
    shown["rate"] = shown["dwell"] = 0.5
    shown["liked"] = [1.0, 0.0, 1.0, 0.0, 1.0]
    return shown.join(items.set_index("film")[["year", "genres"]], on="film")


def sample(rows, items, **arguments):
    return sample_unexposed(rows, items, SCHEMA, user="user", item="film", **arguments)


def pairs(frame):
    return set(zip(frame["user"], frame["film"], strict=True))


class TestCandidates:
    def test_are_never_items_that_the_user_was_shown(self, rows, items):
        drawn = sample(rows, items, per_row=200)
        assert not pairs(drawn) & pairs(rows)
        # All others are drawn, also those that another user was shown.
        assert len(pairs(drawn)) == (8 - 2) + (8 - 1) + (8 - 1)

    @pytest.mark.parametrize("per_row", [1, 4])
    def test_each_row_has_its_own_in_order(self, rows, items, per_row):
        drawn = sample(rows, items, per_row=per_row)
        assert len(drawn) == per_row * len(rows)
        for name in ("user", "hour", "clicks"):
            assert drawn[name].tolist() == np.repeat(rows[name].to_numpy(), per_row).tolist()
        assert drawn.index.tolist() == list(range(len(drawn)))

    def test_carry_the_features_of_the_drawn_item(self, rows, items):
        drawn = sample(rows, items, per_row=20)
        of = items.set_index("film").loc[drawn["film"]]
        assert drawn["year"].tolist() == of["year"].tolist()
        assert drawn["genres"].tolist() == of["genres"].tolist()

    def test_have_no_privileged_columns_and_no_label(self, rows, items):
        drawn = sample(rows, items)
        assert set(drawn) == {"user", "hour", "clicks", "film", "year", "genres", "title", "liked"}
        assert drawn["liked"].dtype == np.float32
        assert drawn["liked"].isna().all()

    def test_leave_the_arguments_unchanged(self, rows, items):
        before = rows.copy(), items.copy()
        sample(rows, items)
        pd.testing.assert_frame_equal(rows, before[0])
        pd.testing.assert_frame_equal(items, before[1])

    def test_of_a_seed_are_the_same_again(self, rows, items):
        first = sample(rows, items, seed=3, per_row=20)
        pd.testing.assert_frame_equal(first, sample(rows, items, seed=3, per_row=20))
        assert not first.equals(sample(rows, items, seed=4, per_row=20))

    def test_of_no_rows_are_none(self, rows, items):
        drawn = sample(rows[:0], items)
        assert len(drawn) == 0
        assert "film" in drawn

    def test_feed_the_training_of_a_student(self, rows, items):
        schema = SCHEMA.served().adapt(rows, verbose=0)
        both = pd.concat([rows, sample(rows, items, per_row=2)], ignore_index=True)
        ((inputs, labels),) = from_rows(both, schema)
        assert inputs["film"].shape == (15,)
        assert np.isnan(labels[5:]).all()
        assert not np.isnan(labels[:5]).any()

    def test_of_an_item_that_is_no_feature_itself(self, rows, items):
        schema = Schema(user=(Numeric("hour"),), item=(Numeric("year"),), label="liked")
        drawn = sample_unexposed(rows, items, schema, user="user", item="film", per_row=50)
        assert not pairs(drawn) & pairs(rows)
        assert drawn["year"].tolist() == items.set_index("film").loc[drawn["film"], "year"].tolist()

    @pytest.mark.parametrize("dtype", ["category", "str", object])
    def test_whatever_type_holds_the_ids(self, rows, items, dtype):
        rows = rows.astype({"film": dtype, "user": dtype})
        drawn = sample(rows, items, per_row=200)
        assert not pairs(drawn) & pairs(rows)
        assert len(pairs(drawn)) == 20


class TestDistribution:
    def test_is_uniform_over_the_free_items_of_a_user(self, rows, items):
        drawn = sample(rows, items, per_row=2000, seed=0)
        for user, shown in ((1, 2), (2, 1), (3, 1)):
            counts = drawn.loc[drawn["user"] == user, "film"].value_counts()
            assert len(counts) == 8 - shown
            assert stats.chisquare(counts).pvalue > 0.01

    def test_one_free_item_is_always_drawn(self, items):
        rows = pd.DataFrame({"user": 1, "film": FILMS[:4] + FILMS[5:], "hour": 0.0})
        assert set(sample(rows, items, per_row=50)["film"]) == {"f4"}

    def test_first_and_last_free_items_are_drawn(self, items):
        for shown in (FILMS[1:-1], FILMS[:3], FILMS[-3:], [FILMS[0], FILMS[-1]]):
            rows = pd.DataFrame({"user": 1, "film": shown, "hour": 0.0})
            assert set(sample(rows, items, per_row=100)["film"]) == set(FILMS) - set(shown)

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40),
        st.integers(0, 100),
    )
    def test_every_free_item_and_no_other(self, shown, seed):
        items = pd.DataFrame({"film": range(11), "year": 0.0, "genres": ""})
        rows = pd.DataFrame(shown, columns=["user", "film"])
        drawn = sample(rows, items, per_row=150, seed=seed)
        everything = {(user, film) for user in set(rows["user"]) for film in range(11)}
        assert pairs(drawn) == everything - set(shown)

    def test_many_users_and_items_do_not_need_a_matrix(self):
        count = 200_000  # As a matrix of bytes, 40 GB.
        items = pd.DataFrame({"film": range(count), "year": 0.0, "genres": ""})
        rows = pd.DataFrame({"user": range(count), "film": range(count)})
        drawn = sample(rows, items, per_row=1)
        assert (drawn["film"] != rows["film"]).all()
        assert abs(drawn["film"].mean() / count - 0.5) < 0.01


class TestExposed:
    def test_is_what_may_not_be_drawn(self, rows, items):
        exposed = pd.DataFrame({"user": [1, 1, 2], "film": ["f1", "f2", "f5"]})
        drawn = sample(rows, items, exposed=exposed, per_row=200)
        assert not pairs(drawn) & pairs(exposed)
        assert (1, "f0") in pairs(drawn)

    def test_later_exposures_that_are_not_passed_change_nothing(self, rows, items):
        later = pd.DataFrame({"user": [1, 2, 3], "film": ["f5", "f5", "f5"], "hour": 9.0})
        everything = pd.concat([rows, later])
        train = everything[: len(rows)]
        drawn = sample(train, items, exposed=everything[: len(rows)], per_row=100)
        pd.testing.assert_frame_equal(drawn, sample(rows, items, per_row=100))
        assert {(1, "f5"), (2, "f5"), (3, "f5")} <= pairs(drawn)

    def test_exposures_of_others_and_of_withdrawn_items_change_nothing(self, rows, items):
        others = pd.DataFrame({"user": [9, 8, 1], "film": ["f1", "f2", "withdrawn"]})
        exposed = pd.concat([others, rows[["user", "film"]]])
        pd.testing.assert_frame_equal(
            sample(rows, items, exposed=exposed), sample(rows, items, exposed=rows)
        )

    def test_everything_shown_to_somebody_who_has_no_rows_is_no_error(self, rows, items):
        exposed = pd.DataFrame({"user": 9, "film": FILMS})
        assert len(sample(rows, items, exposed=exposed, per_row=2)) == 10


class TestErrors:
    @pytest.mark.parametrize("per_row", [0, -1])
    def test_per_row(self, rows, items, per_row):
        with pytest.raises(
            ValueError, match=f"`per_row` must be an integer of at least 1, received {per_row}"
        ):
            sample(rows, items, per_row=per_row)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda r, i: {"rows": r.drop(columns="user")}, r"`rows` misses the columns \['user'"),
            (
                lambda r, i: {"items": i.drop(columns="year")},
                r"`items` misses .*\['year'\].*'title",
            ),
            (lambda r, i: {"exposed": r[["user"]]}, r"`exposed` misses the columns \['film'\]"),
            (
                lambda r, i: {"items": pd.concat([i, i[2:3]])},
                "`items` must hold each film once.*f2",
            ),
            (lambda r, i: {"rows": r.assign(user=[1, None, 2, 3, None])}, "a user in .*2 missing"),
            (lambda r, i: {"items": i.assign(film=None)}, "`items` must hold a film .*8 missing"),
            (
                lambda r, i: {"exposed": r.assign(user=r["user"].astype(str))},
                "`rows` and `exposed` must hold the same type of user, received int64 and",
            ),
            (
                lambda r, i: {"items": i.assign(film=range(8))},
                "`items` and `exposed` must hold the same type of film, received int64 and",
            ),
            (
                lambda r, i: {"exposed": pd.DataFrame({"user": 3, "film": FILMS})},
                "no unexposed item is left for user 3, who was shown all 8 items",
            ),
        ],
    )
    def test_bad_frames(self, rows, items, change, message):
        with pytest.raises(ValueError, match=message):
            sample(**{"rows": rows, "items": items, **change(rows, items)})


def test_columns_of_the_row_that_the_schema_does_not_name_are_kept_only_when_asked(rows, items):
    rows = rows.assign(hour_of_day=7, year=1900.0)
    assert "hour_of_day" not in sample(rows, items)
    drawn = sample(rows, items, extra_columns=["hour_of_day"])
    assert (drawn["hour_of_day"] == 7).all()
    assert (drawn["year"] >= 1990).all()
