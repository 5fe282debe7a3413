"""What is no path where one is expected, and files that aren't what they should be."""

import numpy as np
import pandas as pd
import pytest

import tfpfd
from tfpfd import Categorical, Ranker, Schema, TwoTower
from tfpfd.auditing.cells import Cells
from tfpfd.datasets import kuairand_pure, marketplace, movielens_100k
from tfpfd.integrations import approximate
from tfpfd.schema import raw_batches

SCHEMA = Schema(
    [Categorical("u", vocabulary=("a", "b"))],
    [Categorical("i", vocabulary=("x", "y"))],
)
ROWS = pd.DataFrame({"u": ["a", "b"], "i": ["x", "y"], "label": [1.0, 0.0]})


def student():
    return Ranker(SCHEMA, TwoTower([2]))


USES = {
    "path of export": lambda path: tfpfd.export(student(), ROWS, path),
    "path of refresh": lambda path: tfpfd.refresh(path, ROWS),
    "path of inspect_export": tfpfd.inspect_export,
    "path of saved_scores": lambda path: tfpfd.saved_scores(path, ROWS),
    "path of saved_embeddings": lambda path: tfpfd.saved_embeddings(path, ROWS),
    "path of SavedScorer": tfpfd.SavedScorer,
    "path of save_version": lambda path: tfpfd.save_version(path, student()),
    "path of lineage": tfpfd.lineage,
    "path of Version.read": tfpfd.Version.read,
    "path of item_table": approximate.item_table,
    "path of kuairand_pure": kuairand_pure,
    "path of movielens_100k": lambda path: movielens_100k(path),
    "cache of movielens_100k": lambda path: movielens_100k(cache=path),
    "out of an audit": lambda path: Cells(path, {}),
}


@pytest.mark.parametrize("path", [3, ["a", "b"], "", ROWS], ids=["3", "list", "empty", "frame"])
@pytest.mark.parametrize("use", USES)
def test_no_path(use, path):
    argument = use.partition(" ")[0]
    received = "a DataFrame" if path is ROWS else repr(path).replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(TypeError, match=f"^`{argument}` must be a path, received {received}$"):
        USES[use](path)


def test_folders_to_write_to():
    shop = marketplace(users=20)
    with pytest.raises(TypeError, match=r"^`folder` must be a path, received 3$"):
        shop.to_parquet(3)


def test_a_previous_version_that_is_no_path():
    with pytest.raises(TypeError, match=r"^`previous` must be a Version or the directory of one"):
        tfpfd.retrain(3, ROWS, lambda schema: student())


class TestParquet:
    def test_another_format(self, tmp_path):
        file = tmp_path / "rows.csv"
        ROWS.to_csv(file, index=False)
        message = (
            f"^expected the path of a Parquet file or .*, received '{file}', which is no Parquet"
        )
        for source in (file, str(file)):
            with pytest.raises(ValueError, match=message):
                list(raw_batches(source, ["u"]))
            with pytest.raises(ValueError, match=message):
                tfpfd.data.from_rows(source, SCHEMA)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=f"'{tmp_path}', which holds none"):
            tfpfd.data.from_rows(tmp_path, SCHEMA)

    def test_what_is_parquet_is_read(self, tmp_path):
        for part in range(2):
            ROWS.to_parquet(tmp_path / f"{part}.parquet")
        batches = tfpfd.data.from_rows(tmp_path, SCHEMA, batch_size=8)
        ((inputs, labels),) = batches
        assert labels.numpy().tolist() == [1, 0, 1, 0]
        assert np.array_equal(inputs["u"][:2], inputs["u"][2:])


class TestJson:
    def test_a_path_for_a_schema(self, tmp_path):
        file = tmp_path / "schema.json"
        file.write_text(SCHEMA.to_json())
        message = "^`text` must be what `Schema.to_json` returns, not the path of a file with it"
        with pytest.raises(TypeError, match=f"{message}, received "):
            Schema.from_json(file)
        with pytest.raises(ValueError, match=f"{message}, received '{str(file)[:40]}"):
            Schema.from_json(str(file))
        assert Schema.from_json(file.read_text()) == SCHEMA


def test_swapped_arguments():
    message = "^`schema` must be a tfpfd.Schema, received a DataFrame; is it in another argument's"
    with pytest.raises(TypeError, match=message):
        tfpfd.data.from_rows(SCHEMA, ROWS)
    with pytest.raises(TypeError, match=message):
        Ranker(ROWS, SCHEMA)
