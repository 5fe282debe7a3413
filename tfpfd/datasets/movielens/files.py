"""MovieLens-100K: finding the files, checking them and reading both formats they come in.

The terms of the data forbid passing it on, so the library carries none of it: it is taken from
the user's disk, from its publisher, or from a published Python package that has it as an example.
"""

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from tfpfd._files import path_in

TERMS = (
    "MovieLens-100K belongs to GroupLens (University of Minnesota): free for research, not to be "
    "passed on to others, nor used for commercial purposes without GroupLens' permission, and to "
    "be cited as F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, "
    "ACM TiiS 5(4), article 19, 2015."
)

# The order of the flags in the publisher's u.item; lists of genres follow it in both formats.
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip

PUBLISHER_FILES = ("u.data", "u.item", "u.user")
RECBOLE_FILES = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")


PUBLISHER_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
RECBOLE_REQUIREMENT = "recbole==1.2.1"


@dataclass(frozen=True)
class Archive:
    """A file that holds the data, under its published name, and the checksum of its bytes."""

    name: str
    algorithm: str
    checksum: str

    def verify(self, file: Path) -> None:
        """Raises a `ValueError` unless `file` has the published bytes."""
        # MD5 is what the publisher publishes: it finds a broken file, not a forged one.
        got = hashlib.new(self.algorithm, file.read_bytes(), usedforsecurity=False).hexdigest()
        if got != self.checksum:
            raise ValueError(
                f"`{file}` must have the {self.algorithm} checksum {self.checksum}, "
                f"received a file with {got}. Delete it if it is a broken download."
            )


PUBLISHER = Archive("ml-100k.zip", "md5", "0e33842e24a9c977be4e0107933c0723")
RECBOLE = Archive(
    "recbole-1.2.1-py3-none-any.whl",
    "sha256",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)


def cache_folder(cache: str | Path | None = None) -> Path:
    """Returns `cache`, or else $TFPFD_CACHE, $XDG_CACHE_HOME/tfpfd or ~/.cache/tfpfd."""
    if cache is not None:
        return path_in("cache", cache)
    if os.environ.get("TFPFD_CACHE"):
        return Path(os.environ["TFPFD_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfpfd"


def fetch(path: str | Path | None, cache: str | Path | None) -> tuple[dict[str, bytes], str]:
    """Finds the three files: in `path`, or else in the cache, at the publisher, in the wheel.

    Args:
      path: a folder, zip or wheel with the files; nothing else is tried where it is given.
      cache: folder for downloads, see `cache_folder`.

    Returns:
      The contents of the three files by their names, and a few words on where they came from.
    """
    if path is not None:
        return read_files(path_in("path", path)), f"read from {path} (checksums not compared)"
    folder = cache_folder(cache) / "movielens-100k"
    for archive in (PUBLISHER, RECBOLE):
        if (folder / archive.name).exists():
            archive.verify(folder / archive.name)
            return read_files(folder / archive.name), f"read from {folder / archive.name}"
    tried = [f"the cache {folder}: no {PUBLISHER.name} and no {RECBOLE.name}"]
    ways: tuple[tuple[Archive, str, Callable[[Path], None]], ...] = (
        (PUBLISHER, PUBLISHER_URL, _download_from_publisher),
        (RECBOLE, f"pip download {RECBOLE_REQUIREMENT}", _download_wheel),
    )
    for archive, origin, download in ways:
        try:
            file = _store(archive, download, folder)
        except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
            tried.append(f"{origin}: {_reason(error)}")
            continue
        return read_files(file), f"downloaded ({origin}) to {file}"
    raise ConnectionError(
        "MovieLens-100K was not found. Tried " + "; ".join(tried) + ". Pass `path=` with a folder "
        f"or archive that holds {', '.join(PUBLISHER_FILES)} or {', '.join(RECBOLE_FILES)}."
    )


def _store(archive: Archive, download: Callable[[Path], None], folder: Path) -> Path:
    """Downloads aside, checks, and only then moves into place: the cache has no half files."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        download(Path(aside))
        archive.verify(Path(aside) / archive.name)
        os.replace(Path(aside) / archive.name, folder / archive.name)
    return folder / archive.name


def _download_from_publisher(folder: Path) -> None:
    # The timeout holds for the connection and for each read, not for the whole file.
    with urllib.request.urlopen(PUBLISHER_URL, timeout=10) as answer:
        with open(folder / PUBLISHER.name, "wb") as file:
            shutil.copyfileobj(answer, file)


def _download_wheel(folder: Path) -> None:
    # Through pip, so that the user's own index, proxy and certificates are respected.
    options = ["--no-deps", "--only-binary=:all:", "--timeout=10", "--retries=1"]
    command = [sys.executable, "-m", "pip", "download", *options]
    subprocess.run(
        [*command, "-d", str(folder), RECBOLE_REQUIREMENT],
        check=True, capture_output=True, text=True, timeout=180,
    )  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or "").strip().splitlines()
        return lines[-1] if lines else str(error)
    return str(error) or type(error).__name__


def read_files(path: Path) -> dict[str, bytes]:
    """Reads the three files of either format from a folder, a zip or a wheel.

    Args:
      path: a folder that holds the files, itself or in a folder `ml-100k`, or an archive that
        holds them anywhere.

    Returns:
      The contents by file name, of the publisher's format where both are present.
    """
    found: dict[str, bytes] = {}
    wanted = {*PUBLISHER_FILES, *RECBOLE_FILES}
    if path.is_dir():
        for folder in (path / "ml-100k", path):
            found.update({n: (folder / n).read_bytes() for n in wanted if (folder / n).is_file()})
    elif path.is_file():
        if not zipfile.is_zipfile(path):
            raise ValueError(f"`path` must be a folder, a zip or a wheel, received the file {path}")
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if PurePosixPath(member).name in wanted:
                    found[PurePosixPath(member).name] = archive.read(member)
    else:
        raise FileNotFoundError(f"`path` must exist, received {path}")
    for names in (PUBLISHER_FILES, RECBOLE_FILES):
        if all(name in found for name in names):
            return {name: found[name] for name in names}
    raise ValueError(
        f"`path` must hold {', '.join(PUBLISHER_FILES)} or {', '.join(RECBOLE_FILES)}, "
        f"received {path} with {', '.join(sorted(found)) or 'none of them'}"
    )


def parse(files: dict[str, bytes]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Reads the files of either format into the same frames.

    Args:
      files: contents by name, as `read_files` returns them.

    Returns:
      users: `user_id` (int64), `age` (float, years), `gender`, `occupation`, sorted by id.
      items: `film_id` (int64), `title` (without its year), `genres` (list of str, in the order of
        `GENRES`), `release_year` (float, NaN where unknown), sorted by id.
      ratings: `user_id`, `film_id`, `rating` (1 to 5), `timestamp` (seconds since 1970), all
        int64, sorted by user and time; rows of one user and second stay in the file's order.
    """
    if PUBLISHER_FILES[0] in files:
        ratings = _rows(files, "u.data", "\t", 4)
        users = _rows(files, "u.user", "|", 5)
        items = _rows(files, "u.item", "|", 5 + len(GENRES), encoding="latin-1")
        titles = [row[1] for row in items]
        genres = [[g for g, flag in zip(GENRES, row[5:], strict=True) if flag == "1"]
                  for row in items]  # fmt: skip
    else:
        ratings = _recbole(files, "ml-100k.inter", "user_id item_id rating timestamp")
        users = _recbole(files, "ml-100k.user", "user_id age gender occupation zip_code")
        items = _recbole(files, "ml-100k.item", "item_id movie_title release_year class")
        titles = [_publishers_title(title, year) for _, title, year, _ in items]
        genres = [sorted(row[3].split(), key=_genre_position) for row in items]
    named = [_title_and_year(title) for title in titles]
    user_frame = pd.DataFrame({
        "user_id": np.array([int(row[0]) for row in users], np.int64),
        "age": np.array([float(row[1] or "nan") for row in users]),
        "gender": [row[2] for row in users],
        "occupation": [row[3] for row in users],
    })  # fmt: skip
    item_frame = pd.DataFrame({
        "film_id": np.array([int(row[0]) for row in items], np.int64),
        "title": [title for title, _ in named],
        "genres": genres,
        "release_year": np.array([year for _, year in named], float),
    })  # fmt: skip
    # RecBole declares ratings and timestamps as floats, the publisher writes integers.
    numbers = np.array([[float(cell) for cell in row] for row in ratings]).reshape(-1, 4)
    rating_frame = pd.DataFrame(
        numbers.astype(np.int64), columns=["user_id", "film_id", "rating", "timestamp"]
    )
    return (
        user_frame.sort_values("user_id", ignore_index=True),
        item_frame.sort_values("film_id", ignore_index=True),
        rating_frame.sort_values(["user_id", "timestamp"], kind="stable", ignore_index=True),
    )


def _rows(
    files: dict[str, bytes], name: str, separator: str, width: int, encoding: str = "utf-8"
) -> list[list[str]]:
    """Splits a file by hand: no quoting, no guessing of types or missing values."""
    # Not `splitlines`, which would also cut at control characters inside a Latin-1 title.
    lines = files[name].decode(encoding).split("\n")
    rows = [line.rstrip("\r").split(separator) for line in lines if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ValueError(
                f"`{name}` must have {width} fields in a line, received {len(row)} in line {number}"
            )
    return rows


def _recbole(files: dict[str, bytes], name: str, columns: str) -> list[list[str]]:
    """The rows below a header such as `user_id:token` and `age:token`."""
    header, *rows = _rows(files, name, "\t", len(columns.split()))
    got = " ".join(cell.split(":")[0] for cell in header)
    if got != columns:
        raise ValueError(f"`{name}` must have the columns {columns}, received {got}")
    return rows


def _publishers_title(title: str, year: str) -> str:
    """Puts back together what RecBole cut at the last bracket of the publisher's title."""
    # RecBole writes "unkonwn" for what is missing; a video's "(V)" ends up in its year column.
    if year in ("", "unkonwn", "unknown"):
        return "unknown" if title == "unkonwn" else title
    return f"{title} ({year})"


def _title_and_year(title: str) -> tuple[str, float]:
    """Splits "Name (1995)" or, for a video, "Name (1995) (V)" into the name and the year."""
    match = re.fullmatch(r"(.*?)\s*(?:\((\d{4})\))?\s*(?:\(V\))?\s*", title, flags=re.DOTALL)
    assert match is not None  # Every part may be empty.
    return " ".join(match[1].split()), float(match[2] or "nan")


def _genre_position(genre: str) -> int:
    if genre not in GENRES:
        raise ValueError(
            f"`class` in `ml-100k.item` must hold genres of {GENRES}, received {genre!r}"
        )
    return GENRES.index(genre)
