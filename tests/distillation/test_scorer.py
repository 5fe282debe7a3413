"""What scores without training: a view of the features, and a network on it."""

import h5py
import numpy as np
import pytest

from tfpfd import FeatureEncoder, FusedTowers, MultiTaskRanker, Ranker, SharedBottom, TwoTower
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.scorer import Scorer
from tfpfd.distillation.seen_features import seen_features_of

NAMES = ("label", "like")


@pytest.mark.slow
@pytest.mark.parametrize("sees", ["served", "all"])
def test_a_scorer_is_a_ranker_without_training(schema, linear, batches_of, sees):
    ranker = Ranker(schema, linear(), sees=sees)
    scorer = Scorer(seen_features_of(schema, sees, ranker.encoder), linear())
    scorer.network.set_weights([weight + 0.1 for weight in ranker.network.get_weights()])
    ranker.network.set_weights(scorer.network.get_weights())
    batches = batches_of(6, 4)
    np.testing.assert_allclose(
        scorer.predict(batches, verbose=0), ranker.predict(batches, verbose=0), rtol=1e-6
    )
    assert isinstance(ranker, Scorer) and isinstance(ranker, LabelledModel)
    assert not isinstance(scorer, LabelledModel)


@pytest.mark.slow
def test_what_scores_alone_is_no_model_of_labels(schema, batches_of):
    model = MultiTaskRanker(schema, SharedBottom([3], NAMES))
    (scorer,) = model.rankers
    assert isinstance(scorer, Scorer) and not isinstance(scorer, LabelledModel)
    found = scorer.predict(batches_of(6, 4), verbose=0)
    assert {name: logits.shape for name, logits in found.items()} == dict.fromkeys(NAMES, (6,))
    towers = {name: Ranker(schema, TwoTower([2])) for name in NAMES}
    together = FusedTowers(towers, dict.fromkeys(NAMES, 1.0))
    assert isinstance(together, Scorer) and not isinstance(together, LabelledModel)
    assert together.predict(batches_of(6, 4), verbose=0).shape == (6,)


def test_a_view_knows_the_widths_of_its_vectors(schema, inputs_of):
    encoder = FeatureEncoder(schema, ["user_id", "item_id"], dim=3, dims={"user_id": 5})
    seen = seen_features_of(schema, "all", encoder, unshared=["item_id"])
    assert [list(one.features) for one in seen.extra] == [
        ["item_id"],
        ["age", "clicks", "genres", "affinity", "later_clicks"],
    ]
    scored = seen.encode(inputs_of(4), False, None, seen.names)
    shapes = {side: {n: (None, x.shape[1]) for n, x in of.items()} for side, of in scored.items()}
    assert shapes == seen.shapes
    assert shapes["user"] == {"user_id": (None, 5), "age": (None, 3), "clicks": (None, 3)}


def test_weights_of_several_objectives_lie_where_they_did(schema, tmp_path):
    """Keras 2 files a part under the name of its class, which files from before have."""
    path = tmp_path / "model.weights.h5"
    MultiTaskRanker(schema, SharedBottom([3], NAMES, name="shared_bottom")).save_weights(path)
    places = ("rankers/ranker/network/bottom", "layers/ranker/layers/shared_bottom/bottom")
    with h5py.File(path) as file:
        assert any(place in file for place in places)
