"""A run that was killed and resumed at the end of the last epoch is the run that wasn't."""

import os
import subprocess
import sys
from pathlib import Path

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
    Schema,
    TwoTower,
    WarmUp,
    data,
    losses,
)
from tfpfd._keras import keras

SCHEMA = Schema(
    [Categorical("u", vocabulary=tuple("abcdefgh"))],
    [Categorical("i", vocabulary=tuple("rstuvwxyz"))],
    {"cross": [Numeric("p", boundaries=(-0.5, 0.5))]},
    list_key="q",
)


def batches(by_list=False, seed=4):
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "u": random.choice(list("abcdefgh"), 60),
            "i": random.choice(list("rstuvwxyz"), 60),
            "p": random.normal(size=60),
            "q": np.repeat(np.arange(20), 3),
            "label": random.integers(0, 2, 60).astype(float),
        }
    )
    return data.from_rows(rows, SCHEMA, 9, shuffle=True, seed=seed, by_list=by_list)


def ranker():
    return Ranker(SCHEMA, TwoTower([4, 3]), encoder=FeatureEncoder(SCHEMA, dim=3))


def distillation(**settings):
    student = ranker()
    teacher = Ranker(SCHEMA, MLP([4]), sees="all", encoder=student.encoder)
    return Distillation(
        student=student, teacher=teacher, distillation_weight=WarmUp(0.5, steps=9), **settings
    )


MODELS = {
    "ranker": (ranker, None, False),
    "distillation": (distillation, None, False),
    "multi-task": (lambda: AuxiliaryTasks(ranker()), None, False),
    "lists": (
        lambda: distillation(distillation_loss=losses.SoftListwiseSoftmax()),
        losses.ListwiseSoftmax(),
        True,
    ),
}


class Killed(keras.callbacks.Callback):
    """Ends a run in the middle of its third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 3:
            raise KeyboardInterrupt


def run(name, *callbacks, epochs=4, **settings):
    keras.utils.set_random_seed(1)
    make, loss, by_list = MODELS[name]
    model = make()
    # A larger epsilon, as a step of gradients near 0 would amplify the rounding of threads.
    model.compile(keras.optimizers.Adam(0.05, epsilon=0.01), loss)
    fed = batches(by_list)
    history = model.fit(
        fed, epochs=epochs, validation_data=fed, verbose=0, callbacks=list(callbacks), **settings
    )
    return model.get_weights(), history.history


def assert_same(weights, expected):
    for weight, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_killed_and_resumed(name, tmp_path):
    whole, history = run(name)

    def backup():
        return keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))

    with pytest.raises(KeyboardInterrupt):
        run(name, backup(), Killed())
    resumed, rest = run(name, backup())
    assert_same(resumed, whole)
    assert len(rest["loss"]) == 2
    for metric, values in rest.items():
        np.testing.assert_allclose(values, history[metric][2:], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_killed_by_the_system_and_resumed_in_another_process(tmp_path):
    program = """
import sys
import numpy as np
import test_resuming as t

class Exit(t.Killed):
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 3:
            import os
            os._exit(9)

backup, out, kill = sys.argv[1:]
callbacks = [t.keras.callbacks.BackupAndRestore(backup)] + ([Exit()] if kill == "yes" else [])
weights, _ = t.run("distillation", *callbacks)
np.savez(out, *weights)
"""

    def start(kill):
        given = [str(tmp_path / "backup"), str(tmp_path / "out.npz"), kill]
        return subprocess.run(
            [sys.executable, "-c", program, *given],
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert start("yes").returncode == 9
    done = start("no")
    assert done.returncode == 0, done.stderr[-3000:]
    whole, _ = run("distillation")
    assert_same([*np.load(tmp_path / "out.npz").values()], whole)


def test_the_order_goes_by_seed_and_epoch():
    def users(dataset):
        return [tuple(inputs["u"].numpy()) for inputs, _ in dataset]

    seen = []

    class See(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 0:
                seen.append([])

    first = batches()
    outside = [users(first) for _ in range(3)]
    assert len(set(map(str, outside))) == 3
    assert [users(again) for again in [batches()] for _ in range(3)] == outside
    assert users(batches(seed=5)) != outside[0]

    class Tell(Ranker):
        def train_step(self, batch):
            seen[-1].append(tuple(batch[0]["u"].numpy()))
            return super().train_step(batch)

    def orders(fed, **settings):
        seen.clear()
        model = Tell(SCHEMA, TwoTower([2]), encoder=FeatureEncoder(SCHEMA, dim=2))
        model.compile("sgd", metrics=[], run_eagerly=True)
        model.fit(fed, verbose=0, callbacks=[See()], **settings)
        found = [list(epoch) for epoch in seen]
        return model, found

    _, whole = orders(first, epochs=3)
    assert len(set(map(str, whole))) == 3
    # Whatever was iterated before, and from whichever epoch on.
    assert orders(batches(), initial_epoch=1, epochs=3)[1] == whole[1:]
    # A second call goes on.
    model, found = orders(batches(), epochs=1)
    seen.clear()
    model.fit(batches(), epochs=2, verbose=0, callbacks=[See()])
    assert [*found, *seen] == whole
    # One epoch of Keras may be several of the rows.
    _, found = orders(batches().repeat(), epochs=1, steps_per_epoch=21)
    assert found[0][:7] == whole[0]
    assert len({str(found[0][at : at + 7]) for at in (0, 7, 14)}) == 3


def test_a_backup_in_the_middle_of_an_epoch_is_refused(tmp_path):
    callback = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=2)
    message = r"^`callbacks` hold BackupAndRestore\(save_freq=2\), which saves in the middle"
    with pytest.raises(ValueError, match=message):
        run("ranker", callback)
    assert not (tmp_path / "backup").exists() or not list((tmp_path / "backup").iterdir())
