import dataclasses
import io

from rich.console import Console

from tfpfd.experiments import movielens as demo
from tfpfd.serving import inspect


def test_the_demo_compares_exports_and_serves(movielens, tmp_path, monkeypatch):
    short = dataclasses.replace(demo.QUICK, epochs=2)
    monkeypatch.setattr(demo, "QUICK", short)
    monkeypatch.setattr(demo, "QUICK_SHARE", 0.05)
    said = io.StringIO()
    demo.run(tmp_path, quick=True, console=Console(file=said, width=200))
    printed = said.getvalue()
    for arm in ("base", "self", "shuffled", "distilled", "teacher"):
        assert f"│ {arm}" in printed
    assert "What the privileged features gave the student" in printed
    assert " 10. " in printed
    assert (tmp_path / "movielens" / "comparison.png").stat().st_size > 10_000
    found = inspect(tmp_path / "movielens")
    assert found.findings == []
    assert found.path.name == "1"
    assert set(found.stripped) == set(movielens.schema.features("privileged"))
