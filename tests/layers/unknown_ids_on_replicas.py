"""Trains on two replicas in a process of its own, twice: devices are set before TensorFlow.

Writes down what training made of the row of unknown ids.
"""

import sys

import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tfpfd import MLP, Categorical, FeatureEncoder, Ranker, Schema  # noqa: E402
from tfpfd._keras import keras  # noqa: E402
from tfpfd.data import from_rows  # noqa: E402

schema = Schema(
    user=[Categorical("user", vocabulary=("a", "b"), oov_rate=0.5)],
    item=[Categorical("item", vocabulary=("x", "y"))],
)
rows = {"user": ["a", "b"] * 20, "item": ["x", "y", "y", "x"] * 10, "label": [1.0, 0.0] * 20}
found = []
for _ in range(2):
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
        ranker = Ranker(schema, MLP([2], batch_norm=False), encoder=FeatureEncoder(schema, dim=2))
        ranker.compile(keras.optimizers.SGD(1.0))
    tables = ranker.encoder.tables["user"]
    before = tables.table.numpy()[tables.offset["user"] + 1]
    ranker.fit(from_rows(rows, schema, 8), epochs=1, verbose=0)
    after = tables.table.numpy()[tables.offset["user"] + 1]
    logits = ranker.predict(from_rows(rows, schema, 8), verbose=0)
    found.append(np.concatenate([after - before, logits]))
np.save(sys.argv[1], np.stack(found))
