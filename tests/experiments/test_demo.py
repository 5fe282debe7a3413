import dataclasses
import io

import pytest
from rich.console import Console

from tfpfd.datasets import movielens_100k
from tfpfd.experiments import movielens
from tfpfd.serving import inspect


@pytest.fixture
def reachable():
    try:
        movielens_100k()
    except ConnectionError as error:
        pytest.skip(f"MovieLens-100K can't be reached: {error}")


def test_the_demo_compares_exports_and_serves(reachable, tmp_path, monkeypatch):
    short = dataclasses.replace(movielens.QUICK, epochs=2)
    monkeypatch.setattr(movielens, "QUICK", short)
    monkeypatch.setattr(movielens, "QUICK_SHARE", 0.05)
    said = io.StringIO()
    movielens.run(tmp_path, quick=True, console=Console(file=said, width=200))
    printed = said.getvalue()
    for arm in ("base", "self", "shuffled", "distilled", "teacher"):
        assert f"│ {arm}" in printed
    assert "What the privileged features gave the student" in printed
    assert " 10. " in printed
    assert (tmp_path / "movielens" / "comparison.png").stat().st_size > 10_000
    found = inspect(tmp_path / "movielens")
    assert found.findings == []
    assert found.path.name == "1"
    assert set(found.stripped) == set(movielens_100k().schema.features("privileged"))
