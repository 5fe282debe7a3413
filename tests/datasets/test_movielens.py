import hashlib
import io
import subprocess
import sys
import urllib.error
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfpfd.datasets import MovieLens, movielens_100k
from tfpfd.datasets.movielens import files as movielens_files
from tfpfd.datasets.movielens.data import CROSS_FEATURES, HISTORY_LENGTH

# One invented data set in both formats: a year in the title, a foreign title in brackets and an
# accent, a video "(V)", a film of which nothing is known, genres out of the order of the flags.
FLAGS = {
    7: {"Drama"},
    2: {"Comedy", "Action", "Sci-Fi"},
    5: {"Children's", "Film-Noir"},
    11: {"unknown"},
}
TITLES = {
    7: "Été, L' (Summer) (1981)",
    2: "1000 Miles  to Nowhere (1994)",
    5: "Straight to the Shelf III (1996) (V)",
    11: "unknown",
}
RECBOLE_ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "7\tÉté, L' (Summer)\t1981\tDrama\n"
    "2\t1000 Miles to Nowhere\t1994\tSci-Fi Action Comedy\n"
    "5\tStraight to the Shelf III (1996)\tV\tChildren's Film-Noir\n"
    "11\tunkonwn\tunkonwn\tunknown\n"
)
RATINGS = [(2, 7, 3, 200), (1, 5, 5, 300), (1, 2, 4, 100), (2, 11, 1, 200), (2, 2, 4, 150)]
USERS = [(2, 31, "F", "none", "00123"), (1, 60, "M", "writer", "T8H1N")]


def publisher_files() -> dict[str, bytes]:
    def item(film):
        flags = "|".join("1" if g in FLAGS[film] else "0" for g in movielens_files.GENRES)
        return f"{film}|{TITLES[film]}|01-Jan-1999||http://example.org/{film}|{flags}\n"

    return {
        "u.data": "".join("\t".join(map(str, row)) + "\n" for row in RATINGS).encode(),
        "u.item": "".join(map(item, TITLES)).encode("latin-1"),
        "u.user": "".join("|".join(map(str, row)) + "\n" for row in USERS).encode(),
    }


def recbole_files() -> dict[str, bytes]:
    ratings = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    users = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    return {
        "ml-100k.inter": (
            ratings + "".join("\t".join(map(str, row)) + "\n" for row in RATINGS)
        ).encode(),
        "ml-100k.item": RECBOLE_ITEMS.encode(),
        "ml-100k.user": (
            users + "".join("\t".join(map(str, row)) + "\n" for row in USERS)
        ).encode(),
    }


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def zipped(files: dict[str, bytes], prefix: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{prefix}/{name}", content)
    return buffer.getvalue()


# --- Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [publisher_files(), recbole_files()])
def test_both_formats_give_the_same_frames(files, tmp_path):
    data = movielens_100k(write_folder(tmp_path / "in", files))

    assert data.users.to_dict("list") == {
        "user_id": [1, 2],
        "age": [60.0, 31.0],
        "gender": ["M", "F"],
        "occupation": ["writer", "none"],
    }
    assert data.items["film_id"].tolist() == [2, 5, 7, 11]
    assert data.items["title"].tolist() == [
        "1000 Miles to Nowhere", "Straight to the Shelf III", "Été, L' (Summer)", "unknown"
    ]  # fmt: skip
    assert data.items["genres"].tolist() == [
        ["Action", "Comedy", "Sci-Fi"], ["Children's", "Film-Noir"], ["Drama"], ["unknown"]
    ]  # fmt: skip
    np.testing.assert_array_equal(data.items["release_year"], [1994.0, 1996.0, 1981.0, np.nan])
    # By user and time; the two ratings of user 2 in second 200 in the order of the file.
    assert data.ratings.to_numpy().tolist() == [
        [1, 2, 4, 100], [1, 5, 5, 300], [2, 2, 4, 150], [2, 7, 3, 200], [2, 11, 1, 200]
    ]  # fmt: skip
    for frame, columns in (
        (data.users, ["user_id"]),
        (data.items, ["film_id"]),
        (data.ratings, ["user_id", "film_id", "rating", "timestamp"]),
    ):
        assert all(frame[name].dtype == np.int64 for name in columns)


def test_formats_agree_to_the_dtype():
    for one, other in zip(
        movielens_files.parse(publisher_files()),
        movielens_files.parse(recbole_files()),
        strict=True,
    ):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("files", "name"),
    [(publisher_files(), "copy.zip"), (recbole_files(), "recbole-1.2.1-py3-none-any.whl")],
)
def test_archives_and_nested_folders_are_read(files, name, tmp_path):
    (tmp_path / name).write_bytes(zipped(files, "some/where/ml-100k"))
    nested = write_folder(tmp_path / "outer" / "ml-100k", files).parent

    assert len(movielens_100k(tmp_path / name).ratings) == 5
    assert len(movielens_100k(str(nested)).ratings) == 5


def test_terms_and_source_are_printed(tmp_path, capsys):
    movielens_100k(write_folder(tmp_path / "in", publisher_files()))

    printed = capsys.readouterr().err
    assert str(tmp_path / "in") in printed
    assert "GroupLens" in printed and "commercial" in printed and "Harper" in printed


def test_local_path_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must exist, received .*nowhere"):
        movielens_100k(tmp_path / "nowhere")
    folder = write_folder(tmp_path / "half", {"u.data": b""})
    with pytest.raises(ValueError, match=r"`path` must hold u.data, u.item.* with u.data"):
        movielens_100k(folder)
    with pytest.raises(ValueError, match=r"`path` must be a folder, a zip or a wheel.*u.data"):
        movielens_100k(folder / "u.data")


@pytest.mark.parametrize(
    ("files", "name", "old", "new", "message"),
    [
        (publisher_files(), "u.user", b"|writer", b"", "`u.user` must have 5 fields.* 4 in line 2"),
        (recbole_files(), "ml-100k.item", b"Film-Noir", b"Noir", "`class`.*must hold.*'Noir'"),
        (recbole_files(), "ml-100k.user", b"age:", b"years:", "must have the columns user_id age"),
    ],
)
def test_malformed_files_are_named(files, name, old, new, message):
    with pytest.raises(ValueError, match=message):
        movielens_files.parse({**files, name: files[name].replace(old, new)})


# --- Fetching ------------------------------------------------------------------------------------


@pytest.fixture
def sources(monkeypatch):
    """Replaces both ways of downloading; what they "hold" is set by the test."""
    held: dict[str, bytes] = {}
    asked: list[str] = []

    def urlopen(url, timeout):
        asked.append("publisher")
        if "ml-100k.zip" not in held:
            raise urllib.error.URLError("no route to host")
        return io.BytesIO(held["ml-100k.zip"])

    def run(command, **options):
        asked.append("pip")
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        name = movielens_files.RECBOLE.name
        if name not in held:
            raise subprocess.CalledProcessError(1, command, stderr="a\nno matching distribution\n")
        Path(command[command.index("-d") + 1], name).write_bytes(held[name])

    def publish(archive, content):
        held[archive.name] = content
        checksum = hashlib.new(archive.algorithm, content).hexdigest()
        changed = movielens_files.Archive(archive.name, archive.algorithm, checksum)
        kind = "PUBLISHER" if archive is movielens_files.PUBLISHER else "RECBOLE"
        monkeypatch.setattr(movielens_files, kind, changed)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr("subprocess.run", run)
    return held, asked, publish


def test_publisher_comes_before_the_wheel_and_the_cache_before_both(sources, tmp_path):
    _, asked, publish = sources
    publish(movielens_files.PUBLISHER, zipped(publisher_files(), "ml-100k"))

    first, second = movielens_100k(cache=tmp_path), movielens_100k(cache=tmp_path)

    assert asked == ["publisher"]
    pd.testing.assert_frame_equal(first.ratings, second.ratings)
    # Nothing of the download aside is left over.
    assert [p.name for p in (tmp_path / "movielens-100k").iterdir()] == ["ml-100k.zip"]


def test_wheel_is_the_last_source(sources, tmp_path, capsys):
    _, asked, publish = sources
    publish(movielens_files.RECBOLE, zipped(recbole_files(), "recbole/dataset_example/ml-100k"))

    movielens_100k(cache=tmp_path)
    movielens_100k(cache=tmp_path)

    assert asked == ["publisher", "pip"]
    assert "downloaded (pip download recbole==1.2.1)" in capsys.readouterr().err


def test_nothing_reachable_names_all_that_was_tried(sources, tmp_path):
    with pytest.raises(ConnectionError) as error:
        movielens_100k(cache=tmp_path)
    for words in (
        str(tmp_path), "files.grouplens.org", "no route to host", "recbole==1.2.1",
        "no matching distribution", "Pass `path=`", "u.item", "ml-100k.inter",
    ):  # fmt: skip
        assert words in str(error.value)


def test_wrong_download_is_refused_and_not_kept(sources, tmp_path):
    held, _, _ = sources
    held["ml-100k.zip"] = b"<html>please log in</html>"
    got = hashlib.md5(held["ml-100k.zip"]).hexdigest()

    with pytest.raises(ValueError, match=f"ml-100k.zip` must have the md5 checksum .*{got}"):
        movielens_100k(cache=tmp_path)
    assert not list((tmp_path / "movielens-100k").iterdir())


@pytest.mark.parametrize("archive", [movielens_files.PUBLISHER, movielens_files.RECBOLE])
def test_corrupted_cached_file_is_detected(archive, sources, tmp_path):
    folder = write_folder(tmp_path / "movielens-100k", {archive.name: b"broken"})
    got = hashlib.new(archive.algorithm, b"broken").hexdigest()

    with pytest.raises(ValueError, match=f"{archive.name}.*{archive.checksum}.*{got}") as error:
        movielens_100k(cache=tmp_path)
    assert str(folder) in str(error.value)
    assert sources[1] == []


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TFPFD_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert movielens_files.cache_folder(tmp_path) == tmp_path
    assert movielens_files.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("TFPFD_CACHE")
    assert movielens_files.cache_folder() == tmp_path / "b" / "tfpfd"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert movielens_files.cache_folder() == Path.home() / ".cache" / "tfpfd"


# --- Features ------------------------------------------------------------------------------------


def frames(ratings, years, genres):
    users = sorted({row[0] for row in ratings})
    films = range(1, len(years) + 1)
    return MovieLens(
        users=pd.DataFrame(
            {"user_id": users, "age": 30.0, "gender": "F", "occupation": "other"}
        ),
        items=pd.DataFrame(
            {"film_id": films, "title": "", "genres": genres, "release_year": years}
        ),
        ratings=pd.DataFrame(ratings, columns=["user_id", "film_id", "rating", "timestamp"]),
    )  # fmt: skip


@pytest.fixture
def tiny():
    # Of four ratings each, the first two are history. Likes in it: user 1: film 1; users 2 and
    # 3: films 1, 2; user 4: films 2, 3. So films 1 and 2 have 3 likers each and 2 in common,
    # films 2 and 3 have 3 and 1, and 1 in common.
    return frames(
        [
            (1, 1, 5, 10), (1, 3, 2, 20), (1, 2, 4, 30), (1, 5, 1, 40),
            (2, 1, 5, 10), (2, 2, 4, 20), (2, 3, 5, 30), (2, 4, 3, 40),
            (3, 1, 4, 10), (3, 2, 5, 20), (3, 4, 5, 30), (3, 5, 2, 40),
            (4, 2, 5, 10), (4, 3, 5, 20), (4, 1, 3, 30), (4, 4, 4, 40),
        ],
        years=[1990.0, 1994.0, 1996.0, np.nan, 2000.0],
        genres=[["Drama"], ["Comedy", "Drama"], ["Comedy"], ["Horror"], ["Drama"]],
    )  # fmt: skip


S12 = 2 / np.sqrt(3 * 3) * 2 / (2 + 10)
S23 = 1 / np.sqrt(3 * 1) * 1 / (1 + 10)


@pytest.mark.parametrize(
    ("film", "time", "history", "expected"),
    [
        # No past: the prior rate and zeros.
        (4, 10, [], [0.5, 0, 0, 0, 0, 0, 0, 0]),
        # Liked film 1 (Drama), disliked film 3 (Comedy): of film 2's two genres, on average half
        # a like of one rating; r = (1 + 2.5) / (2 + 5).
        (
            2, 30, [1],
            [(0.5 + 5 * 0.5) / (1 + 5), 0.5, np.log(1 + 1), 1994 - 1990, S12, S12, S12, S12 - S23],
        ),
        # Liked films 1 and 2 (both Drama), disliked 3; r = (2 + 2.5) / (3 + 5). Nobody liked
        # film 5 in the history.
        (5, 35, [1, 2], [(2 + 5 * 4.5 / 8) / (2 + 5), 1, np.log(3), 2000 - 1992, 0, 0, 0, 0]),
        # Film 3 itself is past: it isn't counted, and film 5 is the only dislike.
        (
            3, 45, [1, 2],
            [(1 + 5 * 4.5 / 8) / (1 + 5), 1 / 2, np.log(2), 1996 - 1992, S23 / 2, S23, S23 / 2,
             S23 / 2],
        ),
        # No year, and no past rating of its genre.
        (4, 45, [1, 2], [4.5 / 9, 0, 0, 0, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_cross_features_by_hand(film, time, history, expected, tiny):
    rows = pd.DataFrame({"user_id": [1], "film_id": [film], "timestamp": [time]})

    features = tiny.features(rows)

    np.testing.assert_allclose(features[list(CROSS_FEATURES)].to_numpy()[0], expected, rtol=1e-6)
    assert features["history"].tolist() == [history]


def random_data(seed=0, users=12, films=40, each=20):
    generator = np.random.default_rng(seed)
    ratings = [
        (user, film, int(generator.integers(1, 6)), int(generator.integers(0, 12)))
        for user in range(1, users + 1)
        for film in generator.permutation(np.arange(1, films + 1))[:each]
    ]
    genres = [
        sorted(generator.permutation(["A", "B", "C", "D"])[: 1 + f % 3]) for f in range(films)
    ]
    years = np.where(np.arange(films) % 7 == 0, np.nan, 1950.0 + np.arange(films))
    return frames(ratings, years, genres)


def test_similarities_against_plain_loops():
    data = random_data()
    rows = data.test
    table = data._similarity
    for row in rows.itertuples():
        past = data.ratings[
            (data.ratings["user_id"] == row.user_id) & (data.ratings["timestamp"] < row.timestamp)
        ]
        to = [(table[row.film_id - 1, r.film_id - 1], r.rating >= 4) for r in past.itertuples()]
        likes = sorted((s for s, liked in to if liked), reverse=True) or [0.0]
        dislikes = [s for s, liked in to if not liked] or [0.0]
        np.testing.assert_allclose(
            [getattr(row, name) for name in CROSS_FEATURES[4:]],
            [
                np.mean(likes), likes[0], np.mean(likes[:5]), np.mean(likes) - np.mean(dislikes)
            ],
            rtol=1e-5, atol=1e-7,
        )  # fmt: skip
    assert (rows["history"].map(len) > 5).any() and (rows["similarity_top5"] > 0).any()


def with_ratings(data, changed):
    ratings = data.ratings.copy()
    ratings.loc[changed, "rating"] = 6 - ratings.loc[changed, "rating"]
    return MovieLens(data.users, data.items, ratings)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_no_feature_depends_on_present_or_later_ratings(part):
    data = random_data()
    for position, row in enumerate(getattr(data, part).itertuples()):
        later = data.ratings["timestamp"] >= row.timestamp
        expected = getattr(data, part).iloc[[position]].drop(columns="liked")

        # Anyone's ratings outside of the history part.
        got = getattr(with_ratings(data, later & (data._parts > 0)), part).iloc[[position]]
        pd.testing.assert_frame_equal(got.drop(columns="liked"), expected)

        # All ratings, in the history part too: only the table of similarities may notice.
        got = getattr(with_ratings(data, later), part).iloc[[position]]
        names = [name for name in expected if not name.startswith("similarity")]
        pd.testing.assert_frame_equal(got[names], expected[names])


def test_earlier_ratings_do_matter():
    data = random_data()
    row = data.test.iloc[[-1]].reset_index(drop=True)
    own = data.ratings["user_id"] == row["user_id"][0]
    before = own & (data.ratings["timestamp"] < row["timestamp"][0])

    changed = with_ratings(data, before).features(row)

    assert changed["history"][0] != row["history"][0]
    assert (changed[list(CROSS_FEATURES)] != row[list(CROSS_FEATURES)]).any(axis=None)


def test_history_is_cut_to_the_latest_likes():
    data = frames(
        [(1, film, 5, film) for film in range(1, 61)], years=[1990.0] * 60, genres=[["A"]] * 60
    )
    rows = pd.DataFrame({"user_id": [1, 1], "film_id": [3, 3], "timestamp": [60, 4]})

    assert data.features(rows)["history"].tolist() == [list(range(10, 60)), [1, 2, 3]]
    assert HISTORY_LENGTH == 50


def test_films_never_shown_get_features_in_the_order_of_the_rows(tiny):
    rows = pd.DataFrame(
        {"film_id": [5, 1, 2], "user_id": [2, 1, 2], "timestamp": [25, 35, 0], "other": "x"},
        index=[7, 3, 5],
    )
    together = tiny.features(rows)

    assert together.index.tolist() == [7, 3, 5]
    assert together["film_id"].tolist() == [5, 1, 2]
    assert together["genres"].tolist() == [["Drama"], ["Drama"], ["Comedy", "Drama"]]
    assert "other" not in together
    for index in rows.index:
        pd.testing.assert_frame_equal(tiny.features(rows.loc[[index]]), together.loc[[index]])


def test_no_rows_and_users_without_ratings(tiny):
    empty = tiny.features(tiny.ratings.head(0))
    assert list(empty) == list(tiny.train.columns.drop("liked"))
    assert empty.dtypes.equals(tiny.test.drop(columns="liked").dtypes)

    new = tiny.users.head(1).assign(user_id=99)
    data = MovieLens(pd.concat([tiny.users, new]), tiny.items, tiny.ratings)
    rows = pd.DataFrame({"user_id": [99], "film_id": [1], "timestamp": [50]})
    features = data.features(rows)
    assert features["history"].tolist() == [[]]
    assert features["genre_like_rate"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="timestamp"), r"`rows` must have .*without \['timestamp'\]"),
        (lambda r: r.astype({"timestamp": float}), "integers in `timestamp`, received dtype float"),
        (lambda r: r.assign(film_id=77), "`film_id` in `rows` must be .*`items`, received 77"),
        (lambda r: r.assign(user_id=-1), "`user_id` in `rows` must be .*`users`, received -1"),
    ],
)
def test_features_names_what_is_wrong(change, message, tiny):
    with pytest.raises(ValueError, match=message):
        tiny.features(change(tiny.ratings))


def test_constructor_names_what_is_wrong(tiny):
    with pytest.raises(ValueError, match=r"`items` must have the columns .* without \['genres'\]"):
        MovieLens(tiny.users, tiny.items.drop(columns="genres"), tiny.ratings)
    with pytest.raises(ValueError, match=r"`ratings` must have one row .*\[1, 1\] more than once"):
        MovieLens(tiny.users, tiny.items, pd.concat([tiny.ratings, tiny.ratings]))
    with pytest.raises(ValueError, match=r"`user_id` in `ratings` must be .*received 1"):
        MovieLens(tiny.users.tail(3), tiny.items, tiny.ratings)


# --- Splits --------------------------------------------------------------------------------------


def test_splits_are_50_20_10_20_percent_in_time_order():
    ratings = [(1, film, 3, 100 - film) for film in range(1, 11)]
    ratings += [(2, film, 5, film) for film in range(1, 22)]
    data = frames(ratings, years=[1990.0] * 21, genres=[["A"]] * 21)

    def films(frame, user):
        return frame.loc[frame["user_id"] == user, "film_id"].tolist()

    # User 1 rated film 10 first.
    assert films(data.train, 1) == [5, 4]
    assert films(data.validation, 1) == [3]
    assert films(data.test, 1) == [2, 1]
    # 21 ratings: cut before the 10th, 14th and 16th, counting from 0.
    assert films(data.train, 2) == [11, 12, 13, 14]
    assert films(data.validation, 2) == [15, 16]
    assert films(data.test, 2) == [17, 18, 19, 20, 21]
    assert films(data.exposed_until_training, 1) == [10, 9, 8, 7, 6, 5, 4]
    assert films(data.exposed_until_training, 2) == list(range(1, 15))
    assert data.train.groupby("user_id")["liked"].unique().map(list).tolist() == [[0.0], [1.0]]
    assert data.train["liked"].dtype == np.float32


def test_rating_is_not_among_the_columns(tiny):
    # It is the label in another form.
    assert list(tiny.test) == [
        "user_id", "film_id", "timestamp", "age", "gender", "occupation", "genres",
        "release_year", "history", *CROSS_FEATURES, "liked",
    ]  # fmt: skip


def test_schema_takes_the_columns_as_they_are(tiny):
    schema = tiny.schema

    assert [feature.name for feature in schema.privileged["cross"]] == list(CROSS_FEATURES)
    assert set(schema.features("all")) <= set(tiny.train)
    assert (schema.label, schema.list_key) == ("liked", "user_id")
    adapted = random_data().schema.adapt(random_data().train, verbose=0)
    assert set(adapted.features("all")) == set(schema.features("all"))


# --- The real data -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(movielens):
    return movielens


def test_real_data_has_the_published_counts(real):
    assert (len(real.ratings), len(real.users), len(real.items)) == (100_000, 943, 1_682)
    assert (real.ratings["rating"] >= 4).sum() == 55_375
    assert real.ratings["rating"].between(1, 5).all()
    assert real.ratings["user_id"].nunique() == 943 and real.ratings["film_id"].nunique() == 1_682
    # The one film of which nothing is known.
    assert real.items["release_year"].isna().sum() == 1
    assert real.items["release_year"].min() == 1922 and real.items["release_year"].max() == 1998
    assert not real.items["title"].str.contains(r"\(\d{4}\)|\(V\)").any()
    assert real.items["genres"].map(len).between(1, 6).all()
    assert set().union(*real.items["genres"]) == set(movielens_files.GENRES)
    assert set(real.users["gender"]) == {"F", "M"}


def test_real_splits_and_features(real):
    sizes = [len(part) for part in (real.train, real.validation, real.test)]
    assert sizes == [19_815, 10_044, 20_381]
    for part in (real.train, real.validation, real.test):
        cross = part[list(CROSS_FEATURES)]
        assert np.isfinite(cross.to_numpy()).all() and (cross.dtypes == np.float32).all()
        assert part["history"].map(len).max() == HISTORY_LENGTH
    # The privileged features know something about the label, in the test rows too.
    liked = real.test["liked"] == 1
    ranks = real.test["similarity_top5"].rank()
    auc = (ranks[liked].mean() - (liked.sum() + 1) / 2) / (~liked).sum()
    assert 0.68 < auc < 0.75
