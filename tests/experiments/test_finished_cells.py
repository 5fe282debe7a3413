import json

import numpy as np
import pytest

from experiments.finished_cells import FinishedCells
from tfpfd.evaluation import confidence_interval, paired_difference


def finish(results, experiment):
    for cell in results.missing:
        results.append(cell, experiment.run(cell), seconds=1.5)
    return results


def test_a_line_a_cell_reads_as_it_was_written(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 2), toy())
    header, *lines = (tmp_path / "results.csv").read_text().splitlines()
    assert header == "arm,seed,score,size,seconds"
    assert [line.rsplit(",", 3)[0] for line in lines] == ["a,0", '"b, c",0', "a,1", '"b, c",1']
    frame = FinishedCells(tmp_path, toy(), 2).frame
    assert frame["arm"].tolist() == ["a", "b, c"] * 2
    assert frame["seed"].tolist() == [0, 0, 1, 1]
    # To the last bit.
    assert frame["size"].tolist()[1::2] == [1e-17, 1e-17 + 1 / 3]
    assert frame["size"].isna().tolist() == [True, False] * 2
    assert (frame["seconds"] == 1.5).all()


def test_wherever_a_kill_cuts_the_file_the_rest_is_run_once_and_the_file_is_whole(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 2), toy())
    file = tmp_path / "results.csv"
    whole = file.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        experiment = toy()
        results = FinishedCells(tmp_path, experiment, 2)
        kept = max(0, sum(end <= cut for end in ends) - 1)
        assert len(results.missing) == 4 - kept
        # Another run may just be writing the rest.
        assert file.read_bytes() == whole[:cut]
        finish(results, experiment)
        assert len(experiment.ran) == 4 - kept
        assert file.read_bytes() == whole


def test_more_seeds_go_on_and_fewer_leave_the_others_in_the_file(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 1), toy())
    more = FinishedCells(tmp_path, toy(), 3)
    assert [cell["seed"] for cell in more.missing] == [1, 1, 2, 2]
    finish(more, toy())
    assert FinishedCells(tmp_path, toy(), 2).frame["seed"].tolist() == [0, 0, 1, 1]
    assert len(FinishedCells(tmp_path, toy(), 3).frame) == 6


def test_arrays_give_the_intervals_of_the_evaluation(toy, tmp_path):
    experiment = toy()
    results = finish(FinishedCells(tmp_path, experiment, 3), experiment)
    for found in (results, FinishedCells(tmp_path, toy(), 3)):
        a, b = (
            np.stack([experiment.run({"arm": arm, "seed": seed})["score"] for seed in range(3)])
            for arm in ("a", "b, c")
        )
        np.testing.assert_array_equal(np.stack([*found.values("score", arm="a").values()]), a)
        assert found.interval("score", arm="a") == confidence_interval(a)
        difference = found.difference("score", {"arm": "b, c"}, {"arm": "a"})
        assert difference == paired_difference(b, a)
        assert (
            found.frame["score"].tolist() == np.stack([a[:, 0], b[:, 0]], axis=1).ravel().tolist()
        )


def test_only_seeds_that_both_have_are_paired(toy, tmp_path):
    experiment = toy()
    results = FinishedCells(tmp_path, experiment, 3)
    for cell in results.missing[:5]:
        results.append(cell, experiment.run(cell), 1.0)
    assert list(results.values("score", arm="a")) == [0, 1, 2]
    assert list(results.values("score", arm="b, c")) == [0, 1]
    difference = results.difference("score", {"arm": "b, c"}, {"arm": "a"})
    assert difference.mean == pytest.approx(0.1)
    assert results.values("size", arm="a") == {}


def test_numbers_have_intervals_over_seeds_alone(toy, tmp_path):
    experiment = toy(plain=True)
    results = finish(FinishedCells(tmp_path, experiment, 3), experiment)
    assert not (tmp_path / "arrays").exists()
    column = results.frame.query("arm == 'a'")[["score"]].to_numpy()
    assert results.interval("score", arm="a") == confidence_interval(column)


def test_one_seed_has_no_interval(toy, tmp_path):
    """Its users alone don't tell what another training would give."""
    results = finish(FinishedCells(tmp_path, toy(), 1), toy())
    for found, mean in (
        (results.interval("score", arm="a"), toy().run({"arm": "a", "seed": 0})["score"][0]),
        (results.difference("score", {"arm": "b, c"}, {"arm": "a"}), 0.1),
    ):
        assert found.mean == pytest.approx(mean)
        assert np.isnan([found.low, found.high]).all()
        assert not found.excludes_zero
    assert str(found) == "+.1000"


def test_of_two_runs_at_once_the_later_one_is_refused(toy, tmp_path):
    out = tmp_path / "out"
    first, second = (FinishedCells(out, toy(), 1) for _ in range(2))
    with first.alone():
        with pytest.raises(OSError, match=r"out' is being written to by another process"):
            second.alone().__enter__()
        finish(first, toy())
    with second.alone():
        assert second.missing == []


def test_a_run_that_finishes_nothing_leaves_nothing(toy, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="no more"), FinishedCells(out, toy(), 1).alone():
        raise RuntimeError("no more")
    assert not out.exists()


def test_what_is_not_finished_is_nan(toy, tmp_path):
    results = FinishedCells(tmp_path, toy(), 2)
    nothing = results.interval("score", arm="a")
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()
    assert np.isnan(results.difference("score", {"arm": "a"}, {"arm": "b, c"}).mean)
    assert results.frame.empty


def test_an_array_without_its_line_is_written_again(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 1), toy())
    (tmp_path / "results.csv").unlink()
    for path in (tmp_path / "arrays").iterdir():
        path.write_bytes(b"other")
    results = FinishedCells(tmp_path, toy(), 1)
    assert results.values("score", arm="a") == {}
    assert len(finish(results, toy()).values("score", arm="a")[0]) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 6}, "other settings: expected {.*'rows': 6}, found {.*'rows': 5}"),
        ({"rows": 5, "data": "kept"}, "other settings: expected {'data': 'kept'.*'made'"),
    ],
)
def test_results_of_other_settings_are_refused(toy, tmp_path, options, message):
    finish(FinishedCells(tmp_path, toy(rows=5), 1), toy())
    assert FinishedCells(tmp_path, toy(rows=5), 1).missing == []
    before = (tmp_path / "results.csv").read_bytes()
    with pytest.raises(ValueError, match=message):
        FinishedCells(tmp_path, toy(**options), 1)
    assert (tmp_path / "results.csv").read_bytes() == before


def test_results_of_another_experiment_are_refused(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 1), toy())

    class Other(toy):
        name = "other"

    with pytest.raises(ValueError, match="other experiment: expected other, found toy; choose"):
        FinishedCells(tmp_path, Other(), 1)

    class Wider(toy):
        metrics = ("score", "size", "depth")

    with pytest.raises(ValueError, match=r"other columns: expected .*'depth'"):
        FinishedCells(tmp_path, Wider(), 1)


def test_files_of_something_else_are_refused(toy, tmp_path):
    (tmp_path / "results.csv").write_text("mine\n")
    with pytest.raises(ValueError, match=r"a results\.csv without the experiment\.json"):
        FinishedCells(tmp_path, toy(), 1)
    assert (tmp_path / "results.csv").read_text() == "mine\n"
    for content in ("[", "[]", "{}"):
        (tmp_path / "experiment.json").write_text(content)
        with pytest.raises(ValueError, match=r"experiment.json' can't be read"):
            FinishedCells(tmp_path, toy(), 1)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"`--out` must be a directory, .*file' is a file"):
        FinishedCells(tmp_path / "file", toy(), 1)


@pytest.mark.parametrize("line", ["a,1", "a,1,x,,1.0", "a,1,.5,,1.0,7"])
def test_a_line_that_is_none_is_named(toy, tmp_path, line):
    finish(FinishedCells(tmp_path, toy(), 1), toy())
    with (tmp_path / "results.csv").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"results\.csv', line 4, must have 2 settings and 3 num"):
        FinishedCells(tmp_path, toy(), 1)


def test_another_header_is_refused(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(), 1), toy())
    (tmp_path / "results.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=r"must have the columns \['arm'.*received \['a', 'b'\]"):
        FinishedCells(tmp_path, toy(), 1)


def test_titles_of_what_some_cell_has(toy, tmp_path):
    """`size` is b's alone: not there before b is finished."""
    titles, results = {"size": "rows", "score": "points"}, FinishedCells(tmp_path, toy(), 1)
    assert results.present(titles) == {}
    first, second = results.cells
    results.append(first, toy().run(first), 1.0)
    assert results.present(titles) == {"score": "points"}
    results.append(second, toy().run(second), 1.0)
    assert list(results.present(titles)) == ["size", "score"]


def test_metrics_that_do_not_fit_are_refused(toy, tmp_path):
    results = FinishedCells(tmp_path, toy(), 1)
    with pytest.raises(ValueError, match=r"metrics must be of .* received \['depth'\]"):
        results.append(results.cells[0], {"depth": 1.0}, 1.0)
    for value in (np.ones((2, 2)), np.ones(0)):
        with pytest.raises(ValueError, match="metric 'score' must be a number or an array"):
            results.append(results.cells[0], {"score": value}, 1.0)
    assert len(results.missing) == 2


def test_settings_must_leave_one_cell_a_seed(toy, tmp_path):
    results = finish(FinishedCells(tmp_path, toy(), 1), toy())
    with pytest.raises(ValueError, match=r"must leave one cell a seed, received \{\}"):
        results.values("score")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "'seed' among them"),
        ([{"arm": "a"}], "'seed' among them"),
        ([{"seed": 1}, {"seed": 2, "arm": "a"}], "the same keys"),
        ([{"seed": 1}, {"seed": "1"}], "cells must differ"),
    ],
)
def test_a_grid_must_tell_its_cells_apart(toy, tmp_path, cells, message):
    class Odd(toy):
        def cells(self, seeds):
            return cells

    with pytest.raises(ValueError, match=message):
        FinishedCells(tmp_path / "out", Odd(), 1)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_before_the_first_cell(toy, tmp_path):
    assert len(FinishedCells(tmp_path / "out", toy(rows=5), 1).missing) == 2
    assert list(tmp_path.iterdir()) == []
    finish(FinishedCells(tmp_path / "out", toy(rows=6), 1), toy())


def test_the_manifest_is_plain_json(toy, tmp_path):
    finish(FinishedCells(tmp_path, toy(rows=5), 1), toy())
    assert json.loads((tmp_path / "experiment.json").read_text()) == {
        "experiment": "toy",
        "settings": {"data": "made", "resamples": 200, "rows": 5},
        "columns": ["arm", "seed", "score", "size", "seconds"],
    }
