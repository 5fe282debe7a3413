import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.schema.schema_json import FORMAT

# Names of columns are Python names; none of these letters make a keyword.
names = st.text("abcXYZ", min_size=1, max_size=5)
counts = st.integers(1, 2**40)


def _words(dtype):
    return st.text(min_size=1) if dtype == "string" else st.integers(0, 2**63 - 1)


@st.composite
def categoricals(draw):
    dtype = draw(st.sampled_from(["string", "int"]))
    source = draw(
        st.one_of(
            st.just({}),
            st.lists(_words(dtype), unique=True, max_size=4).map(lambda v: {"vocabulary": v}),
            counts.map(lambda n: {"hash_buckets": n}),
        )
    )
    length = draw(st.none() | counts)
    options = {"optional": draw(st.booleans())} if length is None else {"length": length}
    if "hash_buckets" not in source:
        options |= {
            "oov": draw(counts),
            "min_count": draw(counts),
            "max_size": draw(st.none() | counts),
        }
    return Categorical(draw(names), dtype=dtype, **source, **options)


@st.composite
def numerics(draw):
    edges = st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True, max_size=4)
    return Numeric(
        draw(names),
        buckets=draw(st.integers(2, 100)),
        boundaries=draw(st.none() | edges.map(sorted)),
        optional=draw(st.booleans()),
    )


@st.composite
def schemas(draw):
    served = draw(
        st.lists(categoricals() | numerics(), min_size=1, max_size=4, unique_by=lambda f: f.name)
    )
    taken = {feature.name for feature in served}
    owners = [f.name for f in served if isinstance(f, Categorical)]
    free = names.filter(lambda name: name not in taken)
    privileged = {}
    for kind in draw(st.sets(st.sampled_from(["cross", "post_event"]))):
        name = draw(free)
        taken.add(name)
        privileged[kind] = [
            Sequence(name, of=draw(st.sampled_from(owners)), length=draw(counts))
            if owners and draw(st.booleans())
            else Numeric(name)
        ]
    label = draw(free)
    taken.add(label)
    cut = draw(st.integers(0, len(served)))
    return Schema(
        user=served[:cut],
        item=served[cut:],
        privileged=privileged,
        label=label,
        sample_weight=draw(st.none() | free),
        list_key=draw(st.none() | names.filter(lambda name: name != label)),
    )


class TestJson:
    @settings(max_examples=50, deadline=None)
    @given(schemas())
    def test_round_trip(self, schema):
        again = Schema.from_json(schema.to_json())
        assert again == schema
        assert again.to_json() == schema.to_json()
        assert list(again.features()) == list(schema.features())

    def test_keeps_what_was_learned(self):
        data = {"a": ["é", "☃"], "b": [0.1, 0.2], "label": [0, 1]}
        schema = Schema(user=(Categorical("a"), Numeric("b", buckets=2)), item=())
        schema = schema.adapt(data, verbose=0)
        again = Schema.from_json(schema.to_json())
        assert again == schema
        assert {f.name: again.table_rows(f) for f in again.user} == {"a": 4, "b": 3}
        assert "☃" in schema.to_json()

    def test_is_plain_and_leaves_defaults_out(self):
        schema = Schema(user=(Categorical("a", vocabulary=("x",)),), item=(Sequence("s", of="a"),))
        assert json.loads(schema.to_json()) == {
            "format": FORMAT,
            "user": [{"kind": "Categorical", "name": "a", "vocabulary": ["x"]}],
            "item": [{"kind": "Sequence", "name": "s", "of": "a"}],
            "privileged": {},
            "label": "label",
            "weight": None,
            "list_key": None,
        }

    @pytest.mark.parametrize("given", [FORMAT + 1, "1", None])
    def test_refuses_another_format(self, given):
        plain = Schema(user=(Numeric("a"),), item=()).to_dict()
        with pytest.raises(ValueError, match=f"schema of format {FORMAT}, received {given!r}"):
            Schema.from_dict({**plain, "format": given})

    def test_refuses_an_unknown_kind(self):
        plain = Schema(user=(Numeric("a"),), item=()).to_dict()
        plain["user"][0]["kind"] = "Crossed"
        with pytest.raises(ValueError, match=r"expected a feature of kind .*received 'Crossed'"):
            Schema.from_dict(plain)


class TestViews:
    def test_features_by_what_a_ranker_sees(self, schema):
        served = ["user_id", "age", "clicks", "item_id", "genres"]
        assert list(schema.features("served")) == served
        assert list(schema.features("privileged")) == ["affinity", "later_clicks"]
        assert list(schema.features("all")) == [*served, "affinity", "later_clicks"]
        with pytest.raises(ValueError, match=r"`sees` must be one of .*received 'student'"):
            schema.features("student")

    def test_served_drops_privileged_features_alone(self, schema):
        served = schema.served()
        assert served.privileged == {}
        assert list(served.features()) == list(schema.features("served"))
        assert (served.user, served.item, served.label) == (
            schema.user,
            schema.item,
            schema.label,
        )
        assert list(schema.sides["privileged"]), "the original keeps them"

    def test_column_names_hold_every_column_once(self):
        schema = Schema(
            user=(Categorical("user"),),
            item=(Numeric("price"),),
            label="clicked",
            sample_weight="w",
            list_key="user",
        )
        assert schema.column_names == ["user", "price", "clicked", "w"]

    def test_rows_of_tables(self):
        schema = Schema(
            user=(
                Categorical("a", vocabulary=("x", "y"), oov=3),
                Categorical("b", hash_buckets=7),
                Categorical("c", of="a"),
                Sequence("d", of="b"),
                Numeric("e", boundaries=(1, 2)),
            ),
            item=(),
        )
        rows = {name: schema.table_rows(f) for name, f in schema.features().items()}
        assert rows == {"a": 1 + 3 + 2, "b": 1 + 7, "c": 6, "d": 8, "e": 1 + 3}

    def test_takes_any_iterable_of_features(self):
        schema = Schema(user=(f for f in [Numeric("a")]), item=[Numeric("b")])
        assert schema.user == (Numeric("a"),)
        assert schema.item == (Numeric("b"),)


def test_numbers_and_strings_of_numpy_are_those_of_python():
    ids, names = pd.Series([30, 10, 30]), np.array(["b", "a", "b"])
    given = Schema(
        user=[
            Categorical(np.str_("user"), dtype="int", vocabulary=tuple(ids.unique())),
            Categorical("tags", vocabulary=np.unique(names), length=np.int64(3), oov=np.uint8(2)),
            Numeric("age", buckets=np.int32(4), optional=np.bool_(True)),
            Numeric("size", boundaries=np.float32([0.5, 1.5])),
            Sequence("clicks", of=np.str_("item"), length=np.int16(5)),
        ],
        item=[Categorical("item", min_count=np.int64(2), max_size=np.int64(9))],
    )
    plain = Schema(
        user=[
            Categorical("user", dtype="int", vocabulary=(30, 10)),
            Categorical("tags", vocabulary=("a", "b"), length=3, oov=2),
            Numeric("age", buckets=4, optional=True),
            Numeric("size", boundaries=(0.5, 1.5)),
            Sequence("clicks", of="item", length=5),
        ],
        item=[Categorical("item", min_count=2, max_size=9)],
    )
    assert given == plain
    assert repr(given) == repr(plain)
    assert given.to_json() == plain.to_json()
    assert Schema.from_json(given.to_json()) == plain
