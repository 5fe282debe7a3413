import numpy as np
import pytest

from tfpfd.evaluation import reliability

LABELS = [0, 1, 1, 0, 1, 0]
PROBABILITIES = [0.1, 0.9, 0.8, 0.3, 0.4, 0.2]


def test_by_hand():
    # Sorted: .1 .2 .3 .4 .8 .9 with the labels 0 0 0 1 1 1.
    found = reliability(LABELS, PROBABILITIES, bins=3)
    np.testing.assert_allclose(found["predicted"], [0.15, 0.35, 0.85])
    np.testing.assert_allclose(found["observed"], [0.0, 0.5, 1.0])
    assert found["rows"].tolist() == [2, 2, 2]


def test_bins_hold_equally_many_rows_whatever_the_predictions():
    random = np.random.default_rng(0)
    probabilities = random.beta(0.2, 20, 1003)
    found = reliability(random.random(1003) < probabilities, probabilities)
    assert len(found) == 10
    assert set(found["rows"]) == {100, 101}
    assert found["predicted"].is_monotonic_increasing


def test_the_means_are_those_of_all_rows():
    found = reliability(LABELS, PROBABILITIES, bins=4)
    weights = found["rows"] / found["rows"].sum()
    assert (weights * found["observed"]).sum() == pytest.approx(np.mean(LABELS))
    assert (weights * found["predicted"]).sum() == pytest.approx(np.mean(PROBABILITIES))


def test_never_more_bins_than_rows():
    assert reliability(LABELS, PROBABILITIES, bins=50)["rows"].tolist() == [1] * 6


@pytest.mark.parametrize(
    ("labels", "probabilities", "bins", "message"),
    [
        ([], [], 10, r"`labels` must be a non-empty \[n\] array"),
        (LABELS, PROBABILITIES[1:], 10, "`probabilities` must be .* as long as `labels`"),
        (LABELS, [1.1, *PROBABILITIES[1:]], 10, r"`probabilities` must be in \[0, 1\]"),
        ([np.nan, *LABELS[1:]], PROBABILITIES, 10, r"`labels` must be in \[0, 1\]"),
        (LABELS, PROBABILITIES, 0, "`bins` must be an integer of at least 1, received 0"),
    ],
)
def test_what_is_refused(labels, probabilities, bins, message):
    with pytest.raises(ValueError, match=message):
        reliability(labels, probabilities, bins)
