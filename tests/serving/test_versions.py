"""The newest version of an export."""

from pathlib import Path

import pytest

from tfpfd.serving.newest_version import latest
from tfpfd.versions.store import versions


def test_latest_is_the_highest_number_under_its_own_name(tmp_path):
    for name in ("9", "010", "2"):
        (tmp_path / name).mkdir()
    assert latest(tmp_path) == tmp_path / "010"
    (tmp_path / "saved_model.pb").touch()
    assert latest(tmp_path) == tmp_path


@pytest.mark.parametrize("path", [Path("nowhere"), Path("empty")])
def test_latest_of_nothing_is_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no SavedModel: expected"):
        latest(tmp_path / path)
    assert list(versions(tmp_path / path)) == []
