"""Embeddings of an export: what it ranks by, measured as a catalogue is."""

import numpy as np
import pandas as pd
import pytest

from tfpfd import export, saved_embeddings
from tfpfd.evaluation import Embeddings, evaluate_catalogue, ranks_of_relevant


def frame(columns):
    """Raw columns as rows: lists without their padding."""
    return pd.DataFrame(
        {
            name: [
                [one for one in row if one not in ("", -1)] if values.ndim == 2 else row
                for row in values.tolist()
            ]
            for name, values in columns.items()
        }
    )


def test_their_products_are_the_logits(exported):
    users, items, ids = saved_embeddings(exported.path.parent, frame(exported.users()))
    assert users.dtype == items.dtype == np.float32
    assert ids.tolist() == exported.ids
    bias = exported.loaded.bias.numpy()
    np.testing.assert_allclose(users @ items.T + bias, exported.logits(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["float32", "float16", "bfloat16", "int8"])
def test_ranks_are_the_places_in_what_is_served(strings, tmp_path, table):
    version = export(strings.student, strings.catalogue(), tmp_path, table=table, verbose=0)
    users, items, ids = saved_embeddings(version, frame(strings.users()))
    answer = type(strings)(strings.model, version).answer(
        "top_k", strings.users(), k=np.int32(len(ids))
    )
    places = pd.Index(ids)
    # A user to whom each item in turn is relevant: the ranks are the places of all items.
    for user, served in enumerate(answer["item_ids"]):
        order = places.get_indexer([one.decode() for one in served])
        one = Embeddings(np.repeat(users[[user]], len(ids), axis=0), items)
        ranks = ranks_of_relevant(one, np.arange(len(ids))[:, None])[:, 0]
        scores = users[user] @ items.T
        np.testing.assert_allclose(scores[np.argsort(ranks)], scores[order], rtol=1e-5, atol=1e-5)
    found = evaluate_catalogue(Embeddings(users, items), [order[:1]] * len(users), ks=(len(ids),))
    assert found[f"recall@{len(ids)}"] == 1


@pytest.mark.slow
def test_refusals(exported, tmp_path):
    users = frame(exported.users())
    with pytest.raises(ValueError, match="missing column 'age'"):
        saved_embeddings(exported.path, users.drop(columns="age"))
    with pytest.raises(ValueError, match="`users` is empty"):
        saved_embeddings(exported.path, users.iloc[:0])
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        saved_embeddings(tmp_path, users)
    version = export(exported.student, None, tmp_path, side="user", warmup_requests=False)
    with pytest.raises(ValueError, match=r"`path` must be an export with items, .*signatures"):
        saved_embeddings(version, users)
