import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tfpfd.datasets import kuairand_pure
from tfpfd.datasets.kuairand.feedback import CROSS
from tfpfd.datasets.kuairand.past import USER_STATISTICS, VIDEO_STATISTICS


@pytest.fixture(scope="module")
def real(kuairand_folder):
    return kuairand_pure(kuairand_folder)


@pytest.mark.slow
def test_rows_and_rates(real):
    log = real.source.log

    # 137,637 rows with 3,282 duplicates, of which few are clicked: 44.0 % and 1.71 % before.
    assert len(log) == 137_637 - 3_282
    assert log["is_click"].mean() == pytest.approx(0.4471, abs=5e-5)
    assert log["is_like"].mean() == pytest.approx(0.01739, abs=5e-6)
    assert (len(real.source.users), len(real.source.videos)) == (15_093, 7_583)
    assert [len(part) for part in (real.train, real.validation, real.test)] == [
        55_640, 34_974, 43_741
    ]  # fmt: skip
    assert real.train["time_ms"].max() < real.validation["time_ms"].min()
    assert real.validation["time_ms"].max() < real.test["time_ms"].min()


@pytest.mark.slow
def test_objectives_are_as_rare_as_in_the_log(real):
    rows = pd.concat([real.train, real.validation, real.test])
    counts = rows[[*real.objectives, "long_view"]].sum().to_dict()

    # Counted in the file without its duplicates, with which the rates are 44.0, 1.71, 1.87, .25,
    # .15 and 30.9 %.
    assert counts == {
        "is_click": 60_074, "is_like": 2_336, "is_profile_enter": 2_561, "is_comment": 347,
        "is_follow": 191, "long_view": 42_283,
    }  # fmt: skip
    assert rows[[*counts]].isin([0, 1]).all(axis=None)
    # Lists of users are short, those of a user and day shorter still.
    days = (real.source.log["time_ms"] + 8 * 3_600_000) // 86_400_000
    users = real.source.log["user_id"]
    assert round(len(rows) / users.nunique()) == 9
    assert 1.5 < len(rows) / len(pd.concat([users, days], axis=1).drop_duplicates()) < 2.5


@pytest.mark.slow
def test_features_are_finite_and_histories_start_with_the_earlier_file(real):
    names = [*USER_STATISTICS, *VIDEO_STATISTICS, *CROSS]
    for part in (real.train, real.validation, real.test):
        assert np.isfinite(part[names].to_numpy()).all() and (part[names] >= 0).all(axis=None)
        assert part["clicked"].map(len).max() == part["clicked_tags"].map(len).max() == 50
    # 97.6 % of the users have earlier behaviour, and nearly all of them a long view in it.
    assert (real.train.drop_duplicates("user_id")["clicked"].map(len) > 0).mean() > 0.9
    assert real.schema.adapt(real.train, verbose=0).features().keys() <= set(real.train)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_no_feature_changes_when_present_and_later_rows_are_removed(real, seed):
    log = real.source.log
    time = int(log["time_ms"].sample(1, random_state=seed).iloc[0])
    before = dataclasses.replace(real.source, log=log[log["time_ms"] < time])
    # Pairs that met in the log, at the moment of the cut.
    rows = log.sample(2_000, random_state=seed).assign(time_ms=time)

    received = dataclasses.replace(real, source=before).features(rows)

    pd.testing.assert_frame_equal(received, real.features(rows))


@pytest.mark.slow
def test_served_features_know_something_about_a_click(real):
    names = ["tab", "hour", "is_video_author", "onehot_feat1", "video_duration", "server_height"]
    names += [*USER_STATISTICS, *VIDEO_STATISTICS]
    model = HistGradientBoostingClassifier(max_iter=40, learning_rate=0.15, random_state=0)
    model.fit(real.train[names], real.train["is_click"])

    auc = roc_auc_score(real.test["is_click"], model.predict_proba(real.test[names])[:, 1])

    assert 0.70 < auc < 0.76
