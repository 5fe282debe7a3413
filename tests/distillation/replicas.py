"""Trains in a process of its own and writes down the weights: devices are set before TensorFlow.

python replicas.py OUT REPLICAS    in this process; one replica knows nothing of others
TF_CONFIG=… python replicas.py OUT workers    one of several worker processes
"""

import os
import sys

import numpy as np
import pandas as pd
import tensorflow as tf

out, kind = sys.argv[1:]
if kind == "workers":
    STRATEGY = tf.distribute.MultiWorkerMirroredStrategy()
elif kind == "1":
    STRATEGY = tf.distribute.get_strategy()
else:
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(kind)
    tf.config.set_logical_device_configuration(cpu, parts)
    STRATEGY = tf.distribute.MirroredStrategy([f"/cpu:{i}" for i in range(int(kind))])

from tfpfd import (  # noqa: E402  # noqa: E402
    MLP,
    AuxiliaryTasks,
    Categorical,
    Distillation,
    EpsilonConstraint,
    FeatureEncoder,
    MultiTaskRanker,
    Numeric,
    Ranker,
    Schema,
    SharedBottom,
    TwoTower,
    WarmUp,
    data,
    losses,
)
from tfpfd._keras import keras  # noqa: E402
from tfpfd.optimizers import RowWiseAdagrad  # noqa: E402

random = np.random.default_rng(0)
ROWS = 23  # In batches of 8: the last one is cut into 4 and 3 rows.
rows = pd.DataFrame(
    {
        # The same in all rows of a list, where towers are run once.
        "u": np.repeat(random.choice(list("abcd"), 8), 3)[:ROWS],
        "i": random.choice(list("wxyz"), ROWS),
        "p": random.normal(size=ROWS),
        "q": np.repeat(np.arange(8), 3)[:ROWS],
        "label": random.integers(0, 2, ROWS).astype(float),
        "bought": random.integers(0, 2, ROWS).astype(float),
        "w": random.uniform(0.5, 2, ROWS),
    }
)
# In the first batch all labels but one stand in the second half.
rows.loc[[0, 1, 2, 3, 4, 5], "label"] = np.nan
rows.loc[[8, 9, 12], "bought"] = np.nan
schema = Schema(
    [Categorical("u")],
    [Categorical("i")],
    {"cross": [Numeric("p")]},
    list_key="q",
    sample_weight="w",
).adapt(rows, verbose=0)


def tower():
    return TwoTower([4], batch_norm=False, l2=0.1)


def ranker():
    return Ranker(schema, tower(), encoder=FeatureEncoder(schema, dim=4, l2=0.1))


def distilled(**settings):
    student = ranker()
    teacher = Ranker(schema, MLP([4], batch_norm=False), sees="all", encoder=student.encoder)
    return Distillation(
        student=student, teacher=teacher, distillation_weight=WarmUp(0.4, 1), **settings
    )


def objectives():
    return MultiTaskRanker(
        schema,
        SharedBottom([4], ["label", "bought"], batch_norm=False),
        EpsilonConstraint({"bought": 0.1}, rate=0.5),
    )


MODELS = {
    "ranker": (ranker, None),
    "lists": (ranker, losses.ListwiseSoftmax()),
    "pairs": (ranker, losses.PairwiseLogistic()),
    "distillation": (distilled, None),
    "soft lists": (
        lambda: distilled(distillation_loss=losses.SoftListwiseSoftmax()),
        losses.ListwiseSoftmax(),
    ),
    "corrected": (
        lambda: distilled(distillation_loss=losses.Corrected(losses.CalibratedListwise())),
        None,
    ),
    "mutual": (lambda: distilled(mutual=True), None),
    "multi-task": (lambda: AuxiliaryTasks(ranker()), None),
    "objectives": (objectives, None),
}
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adam": lambda: keras.optimizers.Adam(0.1, epsilon=0.1),
    "row-wise": lambda: RowWiseAdagrad(0.1),
}
batches = {
    by_list: data.from_rows(rows, schema, 8, by_list=by_list, labels=["bought"])
    for by_list in (False, True)
}

# Workers differ from replicas in how they talk, not in what a model says: one model of each kind.
names = ["ranker", "soft lists", "objectives"] if kind == "workers" else list(MODELS)
found = {}
for name in names:
    make, loss = MODELS[name]
    for optimizer, rule in OPTIMIZERS.items() if name == "ranker" else [("sgd", OPTIMIZERS["sgd"])]:
        keras.utils.set_random_seed(0)
        with STRATEGY.scope():
            model = make()
            # The truth is that of no strategy and of no graph.
            model.compile(rule(), loss, run_eagerly=kind == "1")
        # Lists of three rows, in batches of six: every other list is cut by two replicas.
        fed = batches[name in ("lists", "pairs", "soft lists", "corrected")]
        history = model.fit(fed, epochs=2, verbose=0).history
        # What is shown doesn't depend on the optimizer.
        again = optimizer == "sgd"
        shown = model.evaluate(fed, verbose=0, return_dict=True) if again else {}
        for place, weight in enumerate(model.get_weights()):
            found[f"{name}, {optimizer}: weight {place}"] = weight
        for metric, values in history.items():
            found[f"{name}, {optimizer}: {metric}"] = np.array(values)
        for metric, value in shown.items():
            found[f"{name}, {optimizer}: evaluated {metric}"] = np.array(value)
if os.environ.get("TF_CONFIG", "").find('"index": 1') < 0:
    np.savez(out, **found)
