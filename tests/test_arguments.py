"""One string where names are expected would be taken for its letters."""

import pandas as pd
import pytest

import tfpfd
from tfpfd import FeatureEncoder, Ranker, TwoTower
from tfpfd.data import from_rows
from tfpfd.evaluation import evaluate_rows


@pytest.mark.parametrize("argument", ["attributes", "operations"])
def test_of_an_export(schema, tmp_path, argument):
    student = Ranker(schema, TwoTower([2]))
    items = pd.DataFrame() if argument == "attributes" else None
    with pytest.raises(TypeError, match=f"`{argument}` must be names in a list, received 'Dawsn'"):
        tfpfd.export(student, items, tmp_path, **{argument: "Dawsn"})
    assert list(tmp_path.iterdir()) == []


USES = {
    "unshared": lambda schema: Ranker(
        schema, TwoTower([2]), encoder=FeatureEncoder(schema), unshared="age"
    ),
    "features": lambda schema: FeatureEncoder(schema, "age"),
    "extra_columns": lambda schema: from_rows(pd.DataFrame(), schema, extra_columns="age"),
    "labels": lambda schema: from_rows(pd.DataFrame(), schema, labels="age"),
    "metrics": lambda schema: evaluate_rows([0, 1], [0.1, 0.2], [1, 1], metrics="auc"),
    "privileged": lambda schema: tfpfd.inspect_export(".", privileged="age"),
}


@pytest.mark.parametrize("argument", USES)
def test_of_others(schema, argument):
    with pytest.raises(TypeError, match=f"`{argument}` must be names in a list, received 'a"):
        USES[argument](schema)
