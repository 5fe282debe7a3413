"""`tfpfd.json`: what it says, and that no file of a version can be changed behind its back."""

import datetime
import hashlib
import json
import os
import socket

import pytest

from tfpfd import Categorical, Ranker, Schema, TwoTower, export, inspect_export
from tfpfd.serving.manifest import write_extra
from tfpfd.version import __version__

MANIFEST = "assets.extra/tfpfd.json"


@pytest.fixture(scope="module")
def student():
    user, item = Categorical("user_id", vocabulary=("u1",)), Categorical("item_id", vocabulary=())
    return Ranker(Schema(user=(user,), item=(item,)), TwoTower([2]))


@pytest.mark.slow
def test_a_manifest_says_where_a_version_comes_from(student, tmp_path):
    details = {"rows": ["2026-01-01", "2026-03-31"], "metrics": {"auc": 0.75}, "line": "café"}
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    path = export(student, {"item_id": ["i1"]}, tmp_path, details=details, verbose=0)
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["details"] == details
    assert manifest["parent"] is None
    assert set(manifest["packages"]) == {"tfpfd", "tensorflow", "keras"}
    assert manifest["packages"]["tfpfd"] == __version__
    assert before <= datetime.datetime.fromisoformat(manifest["created"])
    assert inspect_export(path).manifest == manifest


def test_a_parent_is_named(copied, strings):
    # As for a version that was made from the files of another.
    written = inspect_export(copied).manifest
    facts = {name: written[name] for name in ("items", "k", "table", "attributes", "stripped")}
    write_extra(copied, strings.schema.served(), facts, parent=41)
    assert inspect_export(copied).manifest["parent"] == 41
    assert inspect_export(copied).findings == []


@pytest.mark.parametrize("details", [{"model": object()}, {"auc": float("nan")}, "auc 0.75", 3])
def test_details_that_json_cannot_hold_are_refused_before_items_are_read(
    student, tmp_path, details
):
    with pytest.raises(TypeError, match="`details` must be a mapping of what JSON can hold, rece"):
        export(student, iter([]), tmp_path / "model", details=details, verbose=0)
    assert not (tmp_path / "model").exists()


def test_every_file_but_the_manifest_has_its_hash(exported):
    files = {
        file.relative_to(exported.path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in exported.path.rglob("*")
        if file.is_file()
    }
    digest = files.pop(MANIFEST)
    assert {"saved_model.pb", "assets.extra/schema.json", "assets.extra/items.parquet"} < set(files)
    found = inspect_export(exported.path)
    assert found.manifest["files"] == files
    assert found.digest == digest


NAMES = [
    "assets.extra/items.parquet",
    "variables/variables.data-00000-of-00001",
    "variables/variables.index",
    "fingerprint.pb",
]


@pytest.mark.parametrize("name", NAMES)
def test_one_bit_of_a_file_is_found(copied, name):
    file = copied / name
    content = bytearray(file.read_bytes())
    content[-1 if name == "variables/variables.index" else len(content) // 2] ^= 1
    file.write_bytes(content)
    if name == "variables/variables.index":
        # TensorFlow has a checksum of its own there.
        with pytest.raises(ValueError, match="can't be read as a SavedModel"):
            inspect_export(copied)
    else:
        assert inspect_export(copied).findings == [f"file '{name}' was changed after the export"]


def test_a_missing_and_an_added_file_are_found(copied):
    (copied / "assets.extra" / "items.parquet").unlink()
    (copied / "assets").mkdir(exist_ok=True)
    (copied / "assets" / "more.txt").write_text("more")
    assert inspect_export(copied).findings == [
        "file 'assets.extra/items.parquet' is missing",
        "file 'assets/more.txt' was added after the export",
    ]


def linked_folder(version, elsewhere):
    (elsewhere / "more.txt").write_text("more")
    (version / "assets.extra" / "linked").symlink_to(elsewhere)
    return "'assets.extra/linked' is a link: what it leads to may be another thing later"


def linked_file(version, elsewhere):
    file = version / "assets.extra" / "items.parquet"
    file.rename(elsewhere / "items.parquet")
    file.symlink_to(elsewhere / "items.parquet")
    return "'assets.extra/items.parquet' is a link: what it leads to may be another thing later"


def dangling_link(version, elsewhere):
    (version / "nowhere").symlink_to(elsewhere / "nowhere")
    return "'nowhere' is a link: what it leads to may be another thing later"


def linked_variables(version, elsewhere):
    (version / "variables").rename(elsewhere / "variables")
    (version / "variables").symlink_to(elsewhere / "variables")
    return "'variables' is a link: what it leads to may be another thing later"


def pipe(version, elsewhere):
    os.mkfifo(version / "assets.extra" / "pipe")
    return "'assets.extra/pipe' is neither a file nor a directory"


def pipe_among_the_assets(version, elsewhere):
    (version / "assets").mkdir(exist_ok=True)
    os.mkfifo(version / "assets" / "pipe")
    return "'assets/pipe' is neither a file nor a directory"


def socket_file(version, elsewhere):
    with socket.socket(socket.AF_UNIX) as one:
        # Its name may have 100 letters.
        one.bind(os.path.relpath(version / "s"))
    return "'s' is neither a file nor a directory"


def empty_folder(version, elsewhere):
    (version / "assets.extra" / "empty").mkdir()
    return "directory 'assets.extra/empty' is empty: it was added after the export"


ENTRIES = [
    linked_folder,
    linked_file,
    dangling_link,
    linked_variables,
    pipe,
    pipe_among_the_assets,
    socket_file,
    empty_folder,
]


@pytest.mark.parametrize("add", ENTRIES)
def test_what_is_no_plain_file_is_found(copied, tmp_path, monkeypatch, add):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(copied.parent)
    message = add(copied, elsewhere)
    assert message in inspect_export(copied).findings


def test_the_version_itself_may_be_a_link(copied, tmp_path):
    (tmp_path / "in_service").symlink_to(copied)
    assert inspect_export(tmp_path / "in_service").findings == []


def test_a_manifest_without_hashes_is_found(copied):
    manifest = inspect_export(copied).manifest
    (copied / MANIFEST).write_text(json.dumps({**manifest, "files": None}))
    message = "the manifest holds no hashes of the files: they may have been changed"
    assert inspect_export(copied).findings == [message]


def test_a_rewritten_manifest_has_another_digest(copied, strings):
    manifest = inspect_export(copied).manifest
    (copied / MANIFEST).write_text(json.dumps({**manifest, "details": {"auc": 0.99}}))
    assert inspect_export(copied).digest != inspect_export(strings.path).digest


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_damaged_manifest_is_refused(copied, content):
    (copied / MANIFEST).write_text(content)
    with pytest.raises(ValueError, match=r"tfpfd.json' (can't be read as JSON|must hold an obj)"):
        inspect_export(copied)
