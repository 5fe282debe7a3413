import dataclasses
import io
import re

import pytest
from rich.console import Console

from tfpfd.demo import movielens as demo
from tfpfd.serving import inspect_export


@pytest.mark.slow
def test_the_demo_compares_exports_and_serves(movielens, tmp_path, monkeypatch):
    small = dataclasses.replace(demo.RECENT, drawn=2, dim=4, units=(4,), lists=512, epochs=1)
    monkeypatch.setattr(demo, "OF_RECENT", dataclasses.replace(demo.OF_RECENT, recipe=small))
    said = io.StringIO()
    demo.run(tmp_path, quick=True, console=Console(file=said, width=200))
    printed = said.getvalue()
    for row in ("popularity", "item-kNN", "EASE", "base", "self", "shuffled", "distilled"):
        assert f"│ {row}" in printed
    assert "'base' is below" in printed
    titles = re.findall(r"^ *\d+\. (.+)$", printed, re.M)
    assert len(titles) == 10
    named = movielens.items.set_index("film_id")["title"]
    user = int(re.search(r"User (\d+)", printed)[1])
    rated = movielens.ratings.loc[movielens.ratings["user_id"] == user, "film_id"]
    # A few titles are of two films.
    new = set(named.drop(rated))
    assert set(titles) <= new
    folder = tmp_path / "movielens"
    assert f"tfpfd inspect {folder}\n" in printed
    assert f"tf.saved_model.load('{folder / '1'}')" in printed
    assert (tmp_path / "movielens" / "comparison.png").stat().st_size > 10_000
    found = inspect_export(tmp_path / "movielens")
    assert found.findings == []
    assert found.path.name == "1"
    past = ("past_knn", "past_co_count_sum", "past_co_count_max", "past_ease")
    assert set(found.stripped) == set(past)


@pytest.mark.slow
def test_no_film_that_the_user_rated_is_asked_for(movielens):
    user = int(movielens.test["user_id"].iloc[0])
    request = demo.request_of(movielens, user)
    rated = movielens.ratings[movielens.ratings["user_id"] == user]
    assert set(request["blocked_ids"]) == set(rated["film_id"])
    assert set(request["history"]) <= set(rated.loc[rated["rating"] >= 4, "film_id"])
    assert request["exclude_history"] is True
    assert request["allowed_ids"] == []
