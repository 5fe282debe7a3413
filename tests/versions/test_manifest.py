"""Records of versions: what all of them hold, and what none may."""

import json

import pytest

from tfpfd.versions.manifest import checked_details, digest_of, origin, write_record


def test_a_record_reads_as_it_was_written(tmp_path):
    record = {**origin(), "details": checked_details({"days": (1, 2), "ort": "Köln"})}
    write_record(tmp_path / "version.json", record)
    read = json.loads((tmp_path / "version.json").read_text(encoding="utf-8"))
    assert read == {**record, "details": {"days": [1, 2], "ort": "Köln"}}
    assert set(read["packages"]) == {"tfpfd", "tensorflow", "keras"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_has_no_word_for_are_refused(tmp_path, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path / "tfpfd.json", {"loss": number})
    assert not (tmp_path / "tfpfd.json").exists()
    with pytest.raises(TypeError, match="`details` must be a mapping of what JSON can hold"):
        checked_details({"loss": number})


def test_a_digest_is_the_sha_256_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert digest_of(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
