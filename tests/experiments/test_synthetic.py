import numpy as np
import pytest

from experiments.finished_cells import FinishedCells
from experiments.logistic_regression import fit_linear
from experiments.synthetic import METHODS, PUBLISHED, Synthetic
from experiments.synthetic_processes import PROCESSES, draw

MANY = 20_000


def accuracy(train, test, features):
    model = fit_linear(getattr(train, features), train.labels, penalty=1e-3)
    return np.mean((model.logits(getattr(test, features)) > 0) == (test.labels == 1))


def both(experiment, train=200, seed=0):
    return draw(experiment, seed, train, MANY)


@pytest.mark.parametrize("experiment", PROCESSES)
def test_draws_repeat_and_are_balanced(experiment):
    first, again, other = (both(experiment, seed=seed) for seed in (1, 1, 2))
    for part in ("privileged", "regular", "labels"):
        np.testing.assert_array_equal(getattr(first[1], part), getattr(again[1], part))
        assert (getattr(first[1], part) != getattr(other[1], part)).any()
    assert first[0].regular.shape == (200, 50)
    assert set(first[1].labels) == {0, 1}
    assert first[1].labels.mean() == pytest.approx(0.5, abs=0.02)


def test_clean_labels_are_a_distance_whose_noise_flips_few_labels():
    _, rows = both("1")
    distance = rows.privileged[:, 0]
    weights, left, *_ = np.linalg.lstsq(rows.regular, distance, rcond=None)
    assert left[0] == pytest.approx(0, abs=1e-18 * MANY**2)
    # P(y = 1[x* > 0]) of a normal x* with noise N(0, 1).
    expected = 1 - np.arctan(1 / np.linalg.norm(weights)) / np.pi
    assert np.mean((distance > 0) == (rows.labels == 1)) == pytest.approx(expected, abs=5e-3)


def test_clean_inputs_decide_and_their_noise_knows_nothing():
    train, rows = both("2", train=5_000)
    noise = rows.regular - rows.privileged
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.abs(noise.T @ np.c_[rows.privileged, rows.labels - 0.5] / MANY).max() < 0.04
    assert accuracy(train, rows, "privileged") > 0.97
    assert accuracy(train, rows, "regular") < 0.8


def columns_of(rows):
    """Where in `x` each privileged value is: `[rows, 3]`."""
    return np.argmax(rows.regular[:, None, :] == rows.privileged[:, :, None], axis=2)


def test_relevant_inputs_are_the_same_for_all_rows_and_decide():
    train, rows = both("3")
    (columns,) = np.unique(np.r_[columns_of(train), columns_of(rows)], axis=0)
    assert len(set(columns)) == 3
    assert accuracy(train, rows, "privileged") > 0.97


def test_relevant_inputs_by_row_decide_but_no_linear_teacher_learns_them():
    train, rows = both("4", train=5_000)
    columns = columns_of(rows)
    assert all(len(set(row)) == 3 for row in columns)
    # Each of 50 features is relevant in 3 of 50 rows.
    counts = np.bincount(columns.ravel(), minlength=50) / MANY
    np.testing.assert_allclose(counts, 0.06, atol=0.01)
    assert accuracy(train, rows, "privileged") < 0.6


def test_the_largest_inputs_of_a_row_decide():
    train, rows = both("4, largest", train=2_000)
    np.testing.assert_array_equal(rows.privileged[:, 0], rows.regular.max(axis=1))
    assert (np.diff(rows.privileged) < 0).all()
    assert accuracy(train, rows, "privileged") > 0.95


def test_few_seeds_come_close_to_the_published_accuracies(tmp_path):
    experiment = Synthetic()
    results = FinishedCells(tmp_path, experiment, seeds=4)
    for cell in results.missing:
        results.append(cell, experiment.run(cell), seconds=0.0)
    for key in ("1", "2", "3", "4, largest"):
        for method in METHODS:
            found = results.interval("accuracy", experiment=key, method=method)
            assert 100 * found.mean == pytest.approx(PUBLISHED[key][method][0], abs=3), (
                key,
                method,
            )
    for key in ("1", "3"):
        distilled, regular = ({"experiment": key, "method": m} for m in ("distilled", "regular"))
        gain = results.difference("accuracy", distilled, regular)
        assert gain.low > 0.02
    # As the paper words it, the fourth process can't give what it reports.
    assert results.interval("accuracy", experiment="4", method="teacher").high < 0.7
    accuracies, gains, notes = experiment.report(results)
    assert accuracies.table["published"].tolist()[:3] == ["96 ± 0", "88 ± 1", "95 ± 1"]
    assert accuracies.table[""][0] == "agrees"
    assert accuracies.table[""][9].startswith("**differs by -4")
    assert gains.table["published"].tolist() == ["+7", "+2", "+8", "+1", "+1"]
    assert notes.text


@pytest.mark.parametrize(
    ("accuracies", "deviation", "verdict"),
    [
        # Against 96 %. Half an interval of two is 12.7 · s / √2, and s half their distance · √2.
        ([0.960, 0.961], "0.1", "agrees"),
        ([0.940, 0.980], "2.8", "can't tell"),
        ([0.910, 0.950], "2.8", "can't tell"),
        ([0.929, 0.931], "0.1", "**differs by -3.0**"),
        ([0.960], "–", "–"),
    ],
)
def test_a_verdict_goes_by_the_interval(tmp_path, accuracies, deviation, verdict):
    experiment = Synthetic()
    results = FinishedCells(tmp_path, experiment, seeds=2)
    for seed, accuracy in enumerate(accuracies):
        cell = {"experiment": "1", "method": "teacher", "seed": seed}
        results.append(cell, {"accuracy": accuracy}, seconds=0.0)
    row = experiment.report(results)[0].table.iloc[0]
    assert (row["deviation"], row[""]) == (deviation, verdict)


def test_no_interval_is_drawn_above_100_percent(tmp_path):
    experiment = Synthetic()
    results = FinishedCells(tmp_path, experiment, seeds=2)
    for cell in results.cells:
        results.append(cell, {"accuracy": 0.99 - 0.1 * cell["seed"]}, seconds=0.0)
    (axes,) = experiment.report(results)[0].figure.axes
    assert max(line.get_ydata().max() for line in axes.lines) == 100


@pytest.mark.parametrize("finished", [1, 2, 4])
def test_the_report_of_a_few_cells(tmp_path, finished):
    experiment = Synthetic()
    results = FinishedCells(tmp_path, experiment, seeds=1)
    for cell in results.cells[:finished]:
        results.append(cell, {"accuracy": 0.75}, seconds=0.0)
    accuracies, gains, _ = experiment.report(results)
    assert accuracies.table["found"].tolist()[:finished] == ["75.0 ± –"] * finished
    assert accuracies.table["found"].tolist()[finished:] == ["–"] * (15 - finished)
    assert gains.table["found"][4] == "–"
    accuracies.figure.savefig(tmp_path / "figure.png")
