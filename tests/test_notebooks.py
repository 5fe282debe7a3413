"""The notebooks: their cells run in order, on the data that they name."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

pytestmark = [pytest.mark.slow, pytest.mark.long]

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.skipif(
    not tf.__version__.startswith("2.15"), reason="takes a minute: on stack A alone"
)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("movielens")
def test_cells_run_in_order(path, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")  # Exports go beside it.
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
    assert (tmp_path / "saved_models").is_dir()
    # What the text claims: the teacher's student finds more than base and both controls do.
    found = names["found"]
    for metric in found.metrics:
        distilled = found.models["distilled"][metric][0, 0]
        others = [values[metric][0, 0] for name, values in found.models.items()]
        assert distilled == max(others) > others[0]
