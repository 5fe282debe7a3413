"""Students whose weights lie in parts on real parameter servers, of this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import Version, inspect_export, save_version
from tfpfd._keras import KERAS_3
from tfpfd.distillation.sharding import gathered, sharded_weight

# A process of its own, which takes its servers with it when it ends.
SHARDED = """
import json, os, socket, sys
import numpy as np, tensorflow as tf
from tfpfd import *
from tfpfd._keras import keras

def port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]

out = sys.argv[1]
tasks = {"worker": 1, "ps": 2}
cluster = tf.train.ClusterSpec(
    {job: [f"localhost:{port()}" for _ in range(count)] for job, count in tasks.items()}
)
servers = [
    tf.distribute.Server(cluster, job_name=job, task_index=task, protocol="grpc")
    for job, count in tasks.items()
    for task in range(count)
]
resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, rpc_layer="grpc")
# Of 16 bytes on, so that kernels are cut as well.
partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(16, 2)
strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)
schema = Schema(
    user=[Categorical("user_id", vocabulary=[f"u{i}" for i in range(9)])],
    item=[Categorical("item_id", vocabulary=[f"i{i}" for i in range(12)])],
    privileged={"cross": [Numeric("affinity", boundaries=(0.5,))]},
)
with strategy.scope():
    student = Ranker(schema, TwoTower([4, 2]), encoder=FeatureEncoder(schema, dim=4))
    teacher = Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    model = Distillation(student=student, teacher=teacher)
random = np.random.default_rng(0)
for weight in student.weights:
    weight.assign(random.uniform(0.1, 1, weight.shape))
inputs = {"user_id": tf.range(8), "item_id": tf.range(8) + 3}
refused = []

def refusal(call):
    before = sorted(os.listdir(out))
    try:
        call()
    except ValueError as error:
        assert sorted(os.listdir(out)) == before
        refused.append(str(error))

refusal(lambda: student.save(f"{out}/student.keras"))
refusal(lambda: model.save(f"{out}/model.keras"))
with strategy.scope():
    refusal(lambda: save_version(f"{out}/line", student))
save_version(f"{out}/line", student)
export(student, {"item_id": ["i1", "i5"]}, f"{out}/films", warmup_requests=False, verbose=0)
student.network.teacher = [teacher.network]
refusal(lambda: export(student, None, f"{out}/films", warmup_requests=False, verbose=0))
print(json.dumps({
    "weights": len(student.weights),
    "logits": student(inputs, training=False).numpy().tolist(),
    "refused": refused,
}))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(KERAS_3, reason="parameter servers work with Keras 2 alone")
def test_weights_in_parts_are_joined_or_refused_by_name(tmp_path):
    root = str(Path(tfpfd.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SHARDED, tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    table = "the table of ['user_id', 'item_id'] lies in parts on several servers"
    saved, model_saved, in_scope, held = found["refused"]
    assert saved.startswith(f"{table}, which a .keras file can't hold")
    assert model_saved.startswith("the table of [") and ".keras" in model_saved
    assert in_scope.startswith(f"{table}, and is joined outside of")
    assert "student.network.teacher[0] is ranker '" in held
    assert sorted(os.listdir(tmp_path)) == ["films", "line"]
    version = Version.read(tmp_path / "line")
    student = version.load()
    assert len(student.weights) < found["weights"]
    inputs = {"user_id": tf.range(8), "item_id": tf.range(8) + 3}
    np.testing.assert_allclose(student(inputs, training=False), found["logits"], rtol=1e-5)
    assert np.ptp(found["logits"]) > 1e-3
    # And the export answers what the student says.
    assert inspect_export(tmp_path / "films").findings == []
    loaded = tf.saved_model.load(str(tmp_path / "films" / "1"))
    scores = loaded.signatures["score_candidates"](
        user_id=tf.constant(["u0", "u1"]), candidate_ids=tf.constant([["i1", "i5"]] * 2)
    )["scores"]
    rows = student.schema.lookup(
        {"user_id": tf.constant(["u0", "u0", "u1", "u1"]), "item_id": tf.constant(["i1", "i5"] * 2)}
    )
    expected = tf.reshape(student(rows, training=False), [2, 2])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.slow
def test_whole_weights_are_left_as_they_are(taught, tmp_path):
    assert sharded_weight(taught.student) is None
    assert gathered(taught.student) is taught.student
    assert save_version(tmp_path, taught.student).number == 0
