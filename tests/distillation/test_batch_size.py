"""What is shown goes by the rows, not by how they are cut into batches or ordered."""

import numpy as np
import pandas as pd
import pytest

from tfpfd import (
    MLP,
    AuxiliaryTasks,
    Categorical,
    Distillation,
    FeatureEncoder,
    Numeric,
    Ranker,
    Scalarised,
    Schema,
    TwoTower,
    data,
    losses,
)

SIZES = (1, 7, 64, 1000)


def rows(labelled=1.0, sizes=(3,) * 100):
    random = np.random.default_rng(0)
    lists = np.repeat(np.arange(len(sizes)), sizes)
    count = len(lists)
    found = pd.DataFrame(
        {
            "u": random.choice(list("abcd"), count),
            "i": random.choice(list("wxyz"), count),
            "p": random.normal(size=count),
            "q": lists,
            "w": random.uniform(0.5, 2, count),
            "label": random.integers(0, 2, count).astype(float),
            "kept": random.integers(0, 2, count).astype(float),
        }
    )
    # Labels stand together at the start, as those of a day do.
    found.loc[int(labelled * count) :, "label"] = np.nan
    found.loc[: count // 3, "kept"] = np.nan
    return found


def schema_of(frame):
    return Schema(
        [Categorical("u")],
        [Categorical("i")],
        {"cross": [Numeric("p")]},
        list_key="q",
        sample_weight="w",
    ).adapt(frame, verbose=0)


def ranker(schema, **settings):
    encoder = FeatureEncoder(schema, dim=3)
    return Ranker(schema, TwoTower([4], batch_norm=False, **settings), encoder=encoder)


def distillation(schema, l2=0.0, **settings):
    encoder = FeatureEncoder(schema, schema.features(), dim=3)
    teacher = Ranker(schema, MLP([4], batch_norm=False), sees="all", encoder=encoder)
    return Distillation(
        student=ranker(schema, l2=l2), teacher=teacher, distillation_weight=0.3, **settings
    )


MODELS = {
    "ranker": (ranker, None),
    "lists": (ranker, losses.ListwiseSoftmax()),
    "pairs": (ranker, losses.PairwiseLogistic()),
    "distillation": (distillation, None),
    "penalty": (lambda schema: distillation(schema, l2=0.1), None),
    "mutual": (lambda schema: distillation(schema, mutual=True), None),
    "soft lists": (
        lambda schema: distillation(schema, distillation_loss=losses.SoftListwiseSoftmax()),
        losses.ListwiseSoftmax(),
    ),
    "multi-task": (lambda schema: AuxiliaryTasks(ranker(schema)), None),
    "objectives": (
        lambda schema: Scalarised(ranker(schema), weights={"label": 1.0, "kept": 0.5}),
        None,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_batch_size_and_order_shows_the_same(name):
    make, loss = MODELS[name]
    unequal = (*[2, 3, 4] * 20, *range(40, 60))
    frame = rows(labelled=0.3, sizes=unequal)
    model = make(schema_of(frame))
    model.compile("sgd", loss)
    expected = None
    for size in SIZES:
        for shuffle in (False, True):
            batches = data.from_rows(
                frame, model_schema(model), size, shuffle, seed=1, by_list=True, labels=["kept"]
            )
            found = model.evaluate(batches, verbose=0, return_dict=True)
            expected = expected or found
            assert found == pytest.approx(expected, rel=2e-5), (size, shuffle)


def model_schema(model):
    part = getattr(model, "student", None) or getattr(model, "ranker", model)
    return part.schema


@pytest.mark.slow
def test_the_loss_is_the_sum_of_the_terms():
    frame = rows(labelled=0.25)
    for mutual in (False, True):
        model = distillation(schema_of(frame), mutual=mutual)
        model.compile("sgd")
        batches = data.from_rows(frame, model.student.schema, 20)
        for shown in (
            model.evaluate(batches, verbose=0, return_dict=True),
            {name: of[-1] for name, of in model.fit(batches, verbose=0).history.items()},
        ):
            expected = 0.7 * shown["student_loss"] + 0.3 * shown["distillation_loss"]
            if mutual:
                expected += 0.7 * shown["teacher_loss"] + 0.3 * shown["mutual_loss"]
            else:
                expected += shown["teacher_loss"]
            assert shown["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_a_mean_over_lists_is_that_of_numpy():
    """60 lists of 2–4 rows and 20 of 40–79, by hand over all of them at once."""
    random = np.random.default_rng(1)
    sizes = [*random.integers(2, 5, 60), *random.integers(40, 80, 20)]
    frame = rows(sizes=sizes)
    frame["w"] = 1.0
    model = ranker(schema_of(frame))
    model.compile("sgd", losses.ListwiseSoftmax())
    logits = model.predict(data.from_rows(frame, model.schema, 1000), verbose=0).astype("f8")
    costs = []
    for _, rows_of in frame.assign(f=logits).groupby("q"):
        if rows_of["label"].sum() > 0:
            log_sum = np.log(np.exp(rows_of["f"]).sum())
            costs.append((rows_of["label"] * (log_sum - rows_of["f"])).sum())
    for size in (16, 64, 512):
        batches = data.from_rows(frame, model.schema, size, by_list=True)
        assert model.evaluate(batches, verbose=0, return_dict=True)["loss"] == pytest.approx(
            np.mean(costs), rel=1e-5
        )
