"""Several replicas: what all of them write alike is not summed up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfpfd._keras import KERAS_3

PROGRAM = """
import pandas as pd
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tfpfd import MLP, Categorical, Distillation, Numeric, Ranker, Schema, TwoTower, WarmUp, data

rows = pd.DataFrame({"u": list("abab"), "i": list("cdcd"), "p": [0.0, 1, 0, 1], "label": 1.0})
privileged = {"cross": [Numeric("p")]}
schema = Schema([Categorical("u")], [Categorical("i")], privileged).adapt(rows, verbose=0)
with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
    student = Ranker(schema, TwoTower([2], batch_norm=False))
    teacher = Ranker(schema, MLP([2], batch_norm=False), sees="all")
    model = Distillation(student, teacher, weight=WarmUp(0.5, steps=2))
    model.compile(optimizer="sgd", metrics=[])
found = model.fit(data.from_rows(rows, schema, 2), epochs=2, verbose=0).history
print(int(tf.convert_to_tensor(model.step)), found["distillation_weight"])
"""


@pytest.mark.skipif(KERAS_3, reason="Keras 3 traces a model anew for several replicas, and fails")
def test_steps_and_their_weight_are_counted_once():
    # Devices are set before TensorFlow starts, so in a process of its own.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["4 [0.0, 0.5]"], done.stderr
