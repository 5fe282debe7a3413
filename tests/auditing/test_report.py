"""What a report writes, from made-up results."""

import dataclasses
import html.parser

import pandas as pd
import pytest

from tfpfd.auditing import Report
from tfpfd.auditing.measures import ROW_METRICS

matplotlib_image = pytest.importorskip("matplotlib.image")


class Reader(html.parser.HTMLParser):
    """Checks that tags close in order, and collects text and images."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.images = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes)["src"])
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def report(results_of, undertuned):
    return Report(results_of(sizes=(0.25, 0.5, 1.0), tuning=undertuned))


def test_the_verdict_goes_by_the_largest_size(results_of):
    report = Report(results_of(sizes=(0.5, 1.0)))
    assert report.verdict.kind == "helps"
    assert f"better than base by {0.02:+.4f}"[:-3].replace("+0", "+") in str(report)
    assert Report(results_of(distilled=0.005)).verdict.kind == "regularisation only"
    assert Report(results_of(distilled=-0.02)).verdict.kind == "hurts"
    controls = {"self": 0.0, "shuffled": 0.0, "zeroed": 0.0}
    assert Report(results_of(distilled=0.0, **controls)).verdict.kind == "can't tell"


def test_an_undertuned_base_is_warned_of(report, results_of):
    (warning,) = report.warnings
    assert "learning rate × 3 changes its validation log loss by -.0100 ± .0050" in warning
    assert warning in str(report)
    assert Report(results_of()).warnings == []


def test_a_base_that_was_still_improving_is_warned_of(results_of):
    results = results_of()
    results.largest.best_epochs["base"][:2] = results.max_epochs
    (warning,) = results.warnings()
    assert "still improving after 20 epochs" in warning


def test_a_metric_without_an_interval_is_warned_of(results_of):
    results = results_of()
    results.largest.students["base"]["group_auc"][0, 3] = float("nan")
    (warning,) = results.warnings()
    assert warning.startswith("No interval for group AUC:")


def test_users_of_one_row_each_have_no_group_auc(results_of):
    """It isn't there, so nothing is drawn of it and nobody is asked for more users."""
    results = results_of()
    for arms in (results.largest.students, results.largest.teachers):
        for arm in arms.values():
            arm["group_auc"][:] = float("nan")
    report = Report(results)
    assert results.warnings() == []
    assert "group AUC" not in report.to_markdown()
    titles = [axes.get_title() for axes in report.figures["arms"].axes if axes.has_data()]
    assert titles == [
        "AUC (larger is better)",
        "log loss (smaller is better)",
        "ECE (smaller is better)",
    ]
    (warning,) = dataclasses.replace(results, metric="group_auc").warnings()
    assert warning.startswith("No group AUC: no test user has rows of both labels")


def test_two_seeds_are_warned_of(results_of):
    results = results_of()
    results.largest.students["base"]["auc"] = results.largest.students["base"]["auc"][:2]
    (warning,) = results.warnings()
    assert warning.startswith("Two seeds give intervals of up to 12.7 standard errors")


def test_frame(report):
    frame = report.to_frame()
    # Three sizes, five students and four teachers, four metrics.
    assert len(frame) == 3 * (5 + 4) * len(ROW_METRICS)
    rows = frame.query("size == 1 and role == 'student' and metric == 'log_loss'").set_index("arm")
    assert rows.loc["base", "gain"] == 0
    assert rows.loc["distilled", "gain"] == pytest.approx(
        rows.loc["base", "mean"] - rows.loc["distilled", "mean"]
    )
    assert (frame["low"] <= frame["mean"]).all() and (frame["mean"] <= frame["high"]).all()
    assert set(frame["labelled"]) == {5_000, 10_000, 20_000}


@pytest.mark.slow
def test_files(report, tmp_path):
    page = report.save(tmp_path / "made" / "here")
    folder = page.parent
    names = {path.name for path in folder.iterdir()}
    pictures = {"gains.png", "arms.png", "strength.png", "calibration.png"}
    assert names == {"report.html", "report.md", "results.csv", *pictures}
    for name in pictures:
        height, width, _ = matplotlib_image.imread(folder / name).shape
        assert min(height, width) > 300
    pd.testing.assert_frame_equal(pd.read_csv(folder / "results.csv"), report.to_frame())
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for name in pictures:
        assert f"({name})" in markdown


def test_html_is_one_page_with_everything_in_it(report):
    found = read(report.to_html())
    text = "".join(found.text)
    for expected in (report.verdict.sentence, *report.warnings, "genre_like_rate", "943"):
        assert expected in text
    assert len(found.images) == 4
    assert all(image.startswith("data:image/png;base64,") for image in found.images)
    assert report._repr_html_() == report.to_html()


def test_what_comes_from_data_is_escaped(results_of):
    results = results_of()
    results.largest.permuted["<b>|*"] = results.largest.permuted.pop("noise")
    report = Report(results)
    assert "<b>|" in "".join(read(report.to_html()).text)
    assert "| <b>\\|\\* |" in report.to_markdown()


def test_markdown_tables_are_rectangles(report):
    for block in report.to_markdown().split("\n\n"):
        if block.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_advice_is_listed_unless_it_helps(report, results_of):
    assert "What to try" not in report.to_markdown()
    hurt = Report(results_of(distilled=-0.02))
    for point in hurt.verdict.advice:
        assert f"- {point}" in hurt.to_markdown()


def test_strengths_are_sorted(report):
    strengths = report.results.strengths()
    assert list(strengths) == ["all together", "genre_like_rate", "year_gap", "noise"]
    assert strengths["genre_like_rate"].mean == pytest.approx(0.03, abs=2e-3)
    assert not strengths["noise"].excludes_zero
