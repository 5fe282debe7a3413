"""An audit of real rows on which the privileged features are known not to help."""

import pytest
import tensorflow as tf

import tfpfd

pytestmark = [pytest.mark.slow, pytest.mark.long]


def make_student(schema):
    encoder = tfpfd.FeatureEncoder(schema, dim=4)
    return tfpfd.Ranker(schema, tfpfd.MLP([16], batch_norm=False), encoder=encoder)


def make_teacher(schema, sees, student):
    network = tfpfd.MLP([16], batch_norm=False)
    return tfpfd.Ranker(schema, network, sees=sees, encoder=student.encoder)


@pytest.mark.skipif(
    not tf.__version__.startswith("2.15"), reason="takes a minute: on stack A alone"
)
def test_like_given_click_is_not_said_to_help(kuairand_folder):
    data = tfpfd.datasets.kuairand_pure(kuairand_folder, task="like")
    splits = tfpfd.Splits(
        *(rows[rows["user_id"] % 3 == 0] for rows in (data.train, data.validation, data.test)),
        data.schema,
    )
    report = tfpfd.audit(
        make_student,
        make_teacher,
        splits,
        seeds=2,
        learning_rate=4e-3,
        epochs=3,
        patience=1,
        batch_size=512,
        multipliers=(),
        verbose=0,
    )
    assert report.verdict.kind != "helps"
