"""The experiments: what their reports say of made-up results, one real cell."""

import numpy as np
import pytest

from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.objectives.boost import BETAS, Boost, read_off
from experiments.objectives.methods import METHODS, RATE
from experiments.objectives.multi_objective import MultiObjective
from experiments.objectives.seed_models import BOUND, TRIALS


def test_no_color_is_that_of_two_methods(tmp_path):
    pytest.importorskip("matplotlib")
    experiment = MultiObjective()
    results = FinishedCells(tmp_path, experiment, 2)
    for cell in results.cells:
        found = {name: np.full(4, 0.1) for name in ("ndcg", "cancelled", "rated_well")}
        results.append(cell, found, 1.0)
    (figure,) = [s.figure for s in experiment.report(results) if s.heading == "Trade-offs"]
    lines = figure.axes[0].get_legend_handles_labels()[0]
    assert len({line.get_color() for line in lines}) == len(lines) == len(METHODS)


def test_what_the_paper_claims_stands_beside_what_was_found(tmp_path):
    """The student is 2 % better than the system, and takes 12 s beside 10 s of its teachers."""
    experiment = MultiObjective()
    results = FinishedCells(tmp_path, experiment, 2)
    ndcg = {"distilled": 0.51, "shared bottom": 0.5}
    seconds = {"distilled": 22.0, "frozen, fused": 10.0, "shared bottom": 8.0}
    for cell in results.cells:
        found = {
            "ndcg": np.full(4, ndcg.get(cell["method"], 0.4)),
            "cancelled": np.full(4, 0.05),
            "training_seconds": seconds.get(cell["method"], 1.0),
        }
        results.append(cell, found, 1.0)
    text = write_report(experiment, results).read_text()
    line = next(line for line in text.splitlines() if "+2.00 ± 0.00" in line)
    assert "2.8×" in line
    assert "1.5×" in line
    assert "+.0000 ± .0000" in line
    assert any("claimed" in line and "+1.1" in line for line in text.splitlines())


def test_the_student_alone_is_timed_by_the_seeds_that_have_its_teachers(tmp_path):
    """The second seed, ten times as slow, isn't finished: its distillation has no pair yet."""
    experiment = MultiObjective()
    results = FinishedCells(tmp_path, experiment, 2)
    seconds = {"distilled": 22.0, "frozen, fused": 10.0, "shared bottom": 8.0}
    for cell in results.cells:
        factor = 1 + 9 * cell["seed"]
        if cell["method"] in seconds and (factor == 1 or cell["method"] == "distilled"):
            found = {"training_seconds": factor * seconds[cell["method"]], "ndcg": np.full(4, 0.5)}
            results.append(cell, found, 1.0)
    table = experiment.report(results)[0].table
    assert table["training, student alone"].tolist() == ["1.0×", *["1.5×"] * 3]


def test_what_stands_for_something_to_avoid_is_said_where_there_is_such(tmp_path):
    for source, said in (("marketplace", True), ("kuairand", False)):
        experiment = MultiObjective(source)
        text = experiment.report(FinishedCells(tmp_path / source, experiment, 1))[1].text
        assert ("purchases that were kept stand for it" in text) == said


def test_settings_hold_what_a_search_and_bounds_depend_on():
    settings = MultiObjective("marketplace").settings()
    assert (settings["trials"], settings["bound"], settings["rate"]) == (TRIALS, BOUND, RATE)


def test_reading_off_a_curve():
    x, y = np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[5.0, 5.0], [3.0, 1.0]])
    np.testing.assert_allclose(read_off(x, y, np.array([0.5, 0.5])), [4.0, 4.0])
    np.testing.assert_array_equal(read_off(x, y, np.array([1.5, -0.1])), [np.nan, np.nan])


def test_the_cost_at_equal_exposure(tmp_path):
    """Serving loses .01 for each .1 of exposure, training half of it: by hand."""
    experiment = Boost("kuairand")
    results = FinishedCells(tmp_path, experiment, 2)
    for cell in results.cells:
        exposure = 0.2 + 0.1 * cell["beta"] * (0.5 if cell["boost"] == "training" else 1)
        slope = 0.05 if cell["boost"] == "training" else 0.1
        found = {"exposure": exposure, "ndcg": 0.5 - slope * (exposure - 0.2)}
        results.append(cell, {name: np.full(4, value) for name, value in found.items()}, 1.0)
    text = write_report(experiment, results).read_text()
    # β = 2 in training: .1 more exposure, .005 of .5 lost, .01 when serving.
    line = next(line for line in text.splitlines() if line.startswith("| 2"))
    for part in ("**+.1000 ± .0000**", "-1.00", "-2.00", "**+.0050 ± .0000**"):
        assert part in line, line


def test_what_serving_does_not_reach_is_said(tmp_path):
    experiment = Boost("kuairand")
    results = FinishedCells(tmp_path, experiment, 1)
    for cell in results.cells:
        factor = 2 if cell["boost"] == "training" else 0.5
        exposure = 0.2 + 0.05 * cell["beta"] * factor
        results.append(cell, {"exposure": exposure, "ndcg": 0.5}, 1.0)
    text = write_report(experiment, results).read_text()
    assert text.count("not reached") == sum(
        2 * beta > max(BETAS["serving"]) * 0.5 for beta in BETAS["training"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_cells_are_trained_and_measured(tiny):
    experiment = MultiObjective("marketplace")
    experiment.task = tiny
    cell = {"method": "distilled", "trade_off": 0.5, "seed": 1}
    found = experiment.run(cell)
    assert set(found) == set(experiment.metrics) - {
        "is_like",
        "is_profile_enter",
        "is_comment",
        "is_follow",
    }
    assert 0 < found["ndcg"][0] < 1
    assert found["training_seconds"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_a_boost_that_is_added_raises_exposure(tiny):
    """And β = 0 is the student without a boost."""
    experiment = Boost("marketplace")
    experiment.task = tiny
    cells = [{"boost": "serving", "beta": beta, "seed": 1} for beta in (0.0, 100.0)]
    none, much = (experiment.run(cell) for cell in cells)
    assert (much["exposure"] > none["exposure"]).all()
    assert set(none) <= set(experiment.metrics)
