import dataclasses
import gzip
import itertools

import numpy as np
import pandas as pd
import pytest

from tfpfd.data import LIST, from_rows, sample_unexposed
from tfpfd.datasets import KuaiRand, kuairand_pure
from tfpfd.datasets.kuairand.feedback import CROSS, LABELS, POST_EVENT
from tfpfd.datasets.kuairand.files import KuaiRandTables, read
from tfpfd.serving.item_embeddings import item_id_of

# One invented data set in the publisher's format, small enough to count in one's head.

VALIDATION = 1651334400000  # 2022-05-01 00:00 in China
TEST = VALIDATION + 3 * 24 * 3_600_000

LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,"
    "long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,"
    "is_rand,tab\n"
)


def impression(user, video, time, click=0, like=0, play=0, duration=10_000, hour=2300, **others):
    follow, comment, stay = (others.get(n, 0) for n in ("follow", "comment", "stay"))
    return (
        f"{user},{video},20220430,{hour},{time},{click},{like},{follow},{comment},0,0,{click},{play},"
        f"{duration},0,{stay},0,0,1\n"
    )


TWICE = impression(5, 10, VALIDATION - 1000, click=1, play=15_000)
TRAIN = [  # Out of the order of time, with an exact duplicate.
    impression(5, 20, VALIDATION - 500, click=1, like=1, play=5_000, comment=1, stay=700),
    TWICE,
    impression(5, 20, VALIDATION - 1000),
    TWICE,
    impression(8, 10, VALIDATION - 400),
    impression(5, 10, VALIDATION - 100),
]
LATER = [
    impression(8, 20, VALIDATION, click=1, play=9_000, duration=0),
    impression(5, 20, TEST - 1, click=1),
    impression(5, 10, TEST),
    impression(3, 30, TEST + 5, click=1, like=1),
]
USERS = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,"
    "follow_user_num,follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,"
    "friend_user_num_range,register_days,register_days_range,"
    + ",".join(f"onehot_feat{n}" for n in range(18))
    + "\n"
    + "".join(
        f'{user},full_active,0,{streams},1,15,"(10,50]",0,0,2,"[1,5)",900,730+,{codes}\n'
        for user, streams, codes in (
            (8, -124, "1,2,3,4,,6" + ",0" * 12), (5, 1, "0" + ",1" * 17), (3, 1, "1" + ",0" * 17)
        )
    )
)  # fmt: skip
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,"
    "server_width,server_height,music_id,music_type,tag\n"
    '10,100,NORMAL,2022-04-10,Web,0.0,87433.0,720.0,1280.0,9155697141,9.0,"1,2"\n'
    "20,100,NORMAL,2022-04-10,Web,0.0,,720.0,1280.0,0,,2\n"
    "30,200,AD,2022-04-10,UNKNOWN,0.0,5000.0,720.0,1280.0,7,4.0,\n"
    "40,300,NORMAL,2022-04-10,Web,0.0,5000.0,720.0,1280.0,7,4.0,7\n"
)
EARLIER = (
    "user_id,history_len,last_time_ms,watch_seq,like_seq,long_watch_seq\n"
    f"5,70,{VALIDATION - 5000},30 40 10,40,40 10\n"
    # Not before the user's first impression: the log has it already.
    f"8,1,{VALIDATION - 400},10,10,10\n"
    f"3,1,{VALIDATION - 9000},10,,\n"
)

FILES = {
    "log_standard_4_08_to_4_21_pure.csv": LOG + "".join(TRAIN),
    "log_standard_4_22_to_5_08_pure.csv": LOG + "".join(LATER),
    "user_features_pure.csv": USERS,
    "video_features_basic_pure.csv": VIDEOS,
}
EARLIER_FILE = {"user_history_until_4_24_pure.csv": EARLIER}


@pytest.fixture
def write(tmp_path):
    def write_files(files, zipped=False, folder="kuairand"):
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if zipped:
                (target / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
            else:
                (target / name).write_text(text)
        return target

    return write_files


@pytest.fixture
def data(write):
    return kuairand_pure(write(FILES))


@pytest.fixture
def with_earlier(write):
    return kuairand_pure(write({**FILES, **EARLIER_FILE}))


def numbers(frame, row, names):
    return [float(frame[name].iloc[row]) for name in names]


# --- Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zipped", "inside"), [(False, ""), (True, ""), (False, "/data")])
def test_log_is_sorted_and_has_no_duplicates(zipped, inside, write):
    write({**FILES, **EARLIER_FILE}, zipped, f"kuairand{inside}")
    source = read(write({}))

    log = source.log
    assert log[["user_id", "video_id", "is_click", "is_like"]].to_numpy().tolist() == [
        [5, 10, 1, 0], [5, 20, 0, 0], [5, 20, 1, 1], [8, 10, 0, 0], [5, 10, 0, 0],
        [8, 20, 1, 0], [5, 20, 1, 0], [5, 10, 0, 0], [3, 30, 1, 1],
    ]  # fmt: skip
    assert (log["time_ms"] - VALIDATION).tolist()[:6] == [-1000, -1000, -500, -400, -100, 0]
    assert source.videos["tags"].tolist() == [[1, 2], [2], [], [7]]
    assert source.users["user_id"].tolist() == [8, 5, 3]
    assert source.users["friend_user_num_range"].tolist() == ["[1,5)"] * 3
    np.testing.assert_array_equal(source.users["onehot_feat4"], [np.nan, 1, 0])
    assert {kind: rows["video_id"].tolist() for kind, rows in source.earlier.items()} == {
        "watched": [30, 40, 10, 10, 10], "liked": [40, 10], "long_viewed": [40, 10, 10]
    }  # fmt: skip


def test_rows_that_differ_in_the_hour_alone_are_two(write):
    first = "log_standard_4_08_to_4_21_pure.csv"
    again = impression(5, 10, VALIDATION - 1000, click=1, play=15_000, hour=2200)
    assert len(read(write({**FILES, first: FILES[first] + again})).log) == 10


@pytest.mark.parametrize(("period", "rows"), [("4_22_to_5_08", 4), ("4_08_to_4_21", 5)])
def test_either_log_period_will_do(period, rows, write):
    files = {name: text for name, text in FILES.items() if "log" not in name or period in name}
    assert len(read(write(files)).log) == rows


def test_source_and_licence_are_printed(write, capsys):
    folder = write(FILES)
    kuairand_pure(folder)

    printed = capsys.readouterr().err
    for words in (str(folder), "https://kuairand.com", "CC BY-SA 4.0", "CIKM 2022"):
        assert words in printed


@pytest.mark.parametrize(
    ("without", "message"),
    [
        (["user_features_pure.csv"], r"must hold user_features_pure.csv \(.csv or .csv.gz\)"),
        (
            ["log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"],
            "must hold log_standard_4_08_to_4_21_pure.csv or log_standard_4_22_to_5_08_pure.csv",
        ),
    ],
)
def test_missing_files_are_named(without, message, write):
    files = {name: text for name, text in FILES.items() if name not in without}
    with pytest.raises(FileNotFoundError, match=message) as error:
        kuairand_pure(write(files))
    assert "https://kuairand.com" in str(error.value)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must be a folder.*nowhere.*kuairand.com"):
        kuairand_pure(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "log_standard_4_22_to_5_08_pure.csv",
            "tab",
            "scene",
            r"_5_08_pure.csv` .*without \['tab'",
        ),
        ("user_features_pure.csv", "onehot_feat9", "feat9", r"user.*without \['onehot_feat9'\]"),
        ("video_features_basic_pure.csv", ",tag\n", ",x\n", r"video.*without \['tag'\]"),
        ("log_standard_4_08_to_4_21_pure.csv", "8,10,", "8,,", "_4_21_pure.csv` must hold numbers"),
        (
            "log_standard_4_22_to_5_08_pure.csv",
            impression(5, 10, TEST),
            impression(5, 10, TEST, like=2),
            r"_5_08_pure.csv` must hold 0 or 1 in 'is_like', received 2 in 1 rows",
        ),
        (
            "log_standard_4_08_to_4_21_pure.csv",
            ",700,",
            ",-7,",
            r"_4_21_pure.csv` must hold no negative time in 'comment_stay_time', received -7",
        ),
        ("user_features_pure.csv", "-124", "none", "user_features_pure.csv` must hold numbers"),
        ("user_features_pure.csv", "8,full", "5,full", r"`users` must .* user_id, received \[5\]"),
        ("video_features_basic_pure.csv", "30,200", "40,200", r"`videos` must .* received \[40\]"),
    ],
)
def test_malformed_files_are_named(name, old, new, message, write):
    with pytest.raises(ValueError, match=message):
        kuairand_pure(write({**FILES, name: FILES[name].replace(old, new)}))


def test_a_file_cut_short_is_named(write):
    folder = write(FILES, zipped=True)
    file = folder / "log_standard_4_22_to_5_08_pure.csv.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"_5_08_pure.csv.gz` must be whole, received one cut"):
        kuairand_pure(folder)


def test_no_impressions_and_unknown_ids_are_named(write):
    empty = {name: LOG if "log" in name else text for name, text in FILES.items()}
    with pytest.raises(ValueError, match=r"`path` must hold impressions, received .* empty log"):
        kuairand_pure(write(empty))
    strange = {"log_standard_4_22_to_5_08_pure.csv": LOG + impression(5, 77, TEST)}
    with pytest.raises(ValueError, match=r"`video_id` in `log` must be .* `videos`, received 77"):
        kuairand_pure(write({**FILES, **strange}), test_from="2022-05-04")


# --- Splits --------------------------------------------------------------------------------------


def test_splits_are_by_midnight_in_china(data):
    # The `date` in the log, the same for all rows, isn't read.
    assert (data.train["time_ms"] - VALIDATION).tolist() == [-1000, -1000, -500, -400, -100]
    assert (data.validation["time_ms"] - VALIDATION).tolist() == [0, TEST - 1 - VALIDATION]
    assert (data.test["time_ms"] - TEST).tolist() == [0, 5]
    assert data.train["hour"].tolist() == [23] * 5
    assert data.test["hour"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("task", "sizes"), [("click", (5, 2, 2)), ("long_view", (5, 2, 2)), ("like", (2, 2, 1))]
)
def test_a_like_is_given_a_click(task, sizes, write):
    data = kuairand_pure(write(FILES), task)

    parts = (data.train, data.validation, data.test)
    assert tuple(map(len, parts)) == sizes
    assert data.label == data.schema.label == LABELS[task]
    if task == "like":
        assert [part["is_like"].tolist() for part in parts] == [[0, 1], [0, 0], [1]]
    assert data.list_key == data.schema.list_key == "user_id"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_from": "2022-05-04"}, "must be before `test_from`, received 2022-05-04 and"),
        (
            {"validation_from": "2022-04-01"},
            "must leave training rows of the task 'click', received 2022-04-01 and 2022-05-04 "
            "for a log from 2022-04-30 to 2022-05-04",
        ),
        ({"test_from": "2022-05-05"}, "must leave test rows"),
        ({"task": "like", "test_from": "2022-05-02", "validation_from": "2022-05-01"}, None),
        ({"validation_from": "1 May"}, "`validation_from` must be a day as YYYY-MM-DD.* '1 May'"),
        ({"task": "purchase"}, "`task` must be one of .*'like'.*, received 'purchase'"),
    ],
)
def test_settings_that_leave_nothing_are_named(settings, message, write):
    if message is None:
        assert len(kuairand_pure(write(FILES), **settings).validation) == 1
        return
    with pytest.raises(ValueError, match=message):
        kuairand_pure(write(FILES), **settings)


# --- Features ------------------------------------------------------------------------------------

STATISTICS = [
    f"{side}_{what}"
    for side in ("user", "video")
    for what in ("impressions", "click_rate", "like_rate")
]
OVERALL = 5 / 9, 2 / 6  # At TEST: 4 clicks of 7 impressions, 1 like of 4 clicks; plus 1 and 2.
OWN = (3 + 5 * OVERALL[0]) / (5 + 5)


@pytest.mark.parametrize(
    ("part", "row", "expected"),
    [
        # Nothing before it; the other row of this millisecond isn't past.
        ("train", 0, [0, 1 / 2, 1 / 2, 0, 1 / 2, 1 / 2]),
        # One click of two impressions; video 20 was shown once.
        ("train", 2, [2, (1 + 5 * 2 / 4) / 7, (0 + 5 / 3) / 6, 1, (5 * 2 / 4) / 6, 1 / 3]),
        # User 5: 3 clicks of 5 and 1 like; video 10: 1 click of 3, no like.
        (
            "test", 0,
            [5, OWN, (1 + 5 * OVERALL[1]) / 8, 3, (1 + 5 * OVERALL[0]) / 8, 5 * OVERALL[1] / 6],
        ),
        # User 3 and video 30 are new: the rates of everybody, 4 of 8 and 1 of 4.
        ("test", 1, [0, 5 / 10, 2 / 6, 0, 5 / 10, 2 / 6]),
    ],
)  # fmt: skip
def test_statistics_by_hand(part, row, expected, data):
    received = numbers(getattr(data, part), row, STATISTICS)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        # Tag 1: 2 impressions, 1 click; tag 2: 5 and 3. In the history tag 1 stands once.
        (10, {"tag": (3.5, 2), "author": (5, 3), "video": (2, 1), "same": (2, 3, 1)}),
        (20, {"tag": (5, 3), "author": (5, 3), "video": (3, 2), "same": (3, 3, 2)}),
        # No tags, another author.
        (30, {"tag": (0, 0), "author": (0, 0), "video": (0, 0), "same": (0, 0, 0)}),
    ],
)
def test_cross_features_by_hand(video, expected, data):
    rows = pd.DataFrame({"user_id": [5], "video_id": [video], "time_ms": [TEST], "tab": [1]})

    features = data.features(rows)

    for pair in ("tag", "author", "video"):
        seen, clicks = expected[pair]
        names = [f"user_{pair}_{what}" for what in ("impressions", "clicks", "click_rate")]
        np.testing.assert_allclose(
            numbers(features, 0, names), [seen, clicks, (clicks + 5 * OWN) / (seen + 5)], rtol=1e-6
        )
    names = [f"clicked_same_{what}" for what in ("tag", "author", "video")]
    assert tuple(numbers(features, 0, names)) == expected["same"]


def lists(frame, row):
    names = ("clicked", "liked", "clicked_tags", "liked_tags")
    return [frame[name].iloc[row].tolist() for name in names]


def test_histories_by_hand(data, with_earlier):
    assert lists(data.train, 0) == lists(data.train, 1) == [[], [], [], []]
    assert lists(data.test, 0) == [[10, 20, 20], [20], [1, 2, 2, 2], [2]]
    assert lists(data.test, 1) == [[], [], [], []]
    # Videos 40 and 10 were viewed long before the log begins, and 40 was liked.
    assert lists(with_earlier.train, 1) == [[40, 10], [40], [7, 1, 2], [7]]
    assert lists(with_earlier.test, 0) == [
        [40, 10, 10, 20, 20], [40, 20], [7, 1, 2, 1, 2, 2, 2], [7, 2]
    ]  # fmt: skip
    # User 8's first impression isn't older than what the file calls earlier.
    assert lists(with_earlier.validation, 0) == [[], [], [], []]
    same = with_earlier.test["clicked_same_video"].tolist()
    assert same == [2, 0]


def test_earlier_behaviour_counts_in_histories_alone(data, with_earlier):
    names = [*STATISTICS, *CROSS[:6]]
    for part in ("train", "validation", "test"):
        expected, received = (getattr(one, part)[names] for one in (data, with_earlier))
        pd.testing.assert_frame_equal(received, expected)


def test_histories_keep_the_latest_fifty(write):
    times = range(VALIDATION - 60, VALIDATION)
    clicks = "".join(impression(5, 10 if t % 2 else 20, t, click=1) for t in times)
    data = kuairand_pure(write({**FILES, "log_standard_4_08_to_4_21_pure.csv": LOG + clicks}))

    row = data.test.iloc[0]
    assert row["clicked"].tolist() == ([20, 10] * 30 + [20])[-50:]
    assert row["clicked_tags"].tolist() == ([2, 1, 2] * 30 + [2])[-50:]
    assert (row["clicked_same_video"], row["user_video_clicks"]) == (25, 30)


def test_what_was_exposed_until_training(data, with_earlier):
    exposed = {tuple(pair) for pair in data.exposed_until_training.to_numpy().tolist()}
    assert exposed == {(5, 10), (5, 20), (8, 10)}
    earlier = {tuple(pair) for pair in with_earlier.exposed_until_training.to_numpy().tolist()}
    assert earlier == exposed | {(5, 30), (5, 40), (3, 10)}


def test_items_are_as_known_when_the_test_rows_begin(data):
    assert data.items["video_id"].tolist() == [10, 20, 30, 40]
    at_test = data.features(
        pd.DataFrame({"user_id": 5, "video_id": [10, 20, 30, 40], "time_ms": TEST, "tab": 1})
    )
    pd.testing.assert_frame_equal(data.items, at_test[list(data.items)])


def test_feedback_of_a_row(data):
    # Of user 8 no duration is known.
    names = ["play_time_ms", "watch_ratio", "comment_stay_time", "is_comment", "long_view"]
    assert numbers(data.train, 0, names) == [15_000, 1.5, 0, 0, 1]
    assert numbers(data.train, 2, names) == [5_000, 0.5, 700, 1, 1]
    assert numbers(data.validation, 0, names) == [9_000, 0, 0, 0, 1]


def test_features_follow_the_rows(data):
    rows = pd.DataFrame(
        {"tab": [1, 0, 2], "video_id": [40, 10, 30], "user_id": [3, 5, 8],
         "time_ms": [TEST, VALIDATION, 0], "other": "x"},
        index=[7, 3, 5],
    )  # fmt: skip
    together = data.features(rows)

    assert together.index.tolist() == [7, 3, 5]
    assert together["tags"].tolist() == [[7], [1, 2], []]
    assert together["onehot_feat1"].tolist() == [0, 1, 2]
    assert "other" not in together and "is_click" not in together
    for index in rows.index:
        pd.testing.assert_frame_equal(data.features(rows.loc[[index]]), together.loc[[index]])
    nothing = data.features(rows.head(0))
    assert list(nothing) == list(together) and len(nothing) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="tab"), r"`rows` must have .*without \['tab'\]"),
        (lambda r: r.astype({"time_ms": float}), "integers in `time_ms`, received dtype float64"),
        (lambda r: r.assign(video_id=77), "`video_id` in `rows` must be .*`videos`, received 77"),
        (lambda r: r.assign(user_id=77), "`user_id` in `rows` must be .*`users`, received 77"),
    ],
)
def test_features_names_what_is_wrong(change, message, data):
    with pytest.raises(ValueError, match=message):
        data.features(change(data.source.log))


def random_data(seed=0, impressions=300, users=6, videos=12):
    """Many impressions in few moments, so that many rows share one."""
    generator = np.random.default_rng(seed)
    log = pd.DataFrame({
        "user_id": generator.integers(0, users, impressions),
        "video_id": generator.integers(0, videos, impressions),
        "time_ms": TEST + 1000 * np.sort(generator.integers(0, 60, impressions)),
        "tab": 1,
        **{name: generator.integers(0, 2, impressions) for name in LABELS.values()},
    })  # fmt: skip
    tags = [generator.integers(0, 5, generator.integers(0, 4)).tolist() for _ in range(videos)]
    earlier = pd.DataFrame({
        "user_id": np.repeat(np.arange(users), 3),
        "video_id": generator.integers(0, videos, 3 * users),
        "time_ms": TEST - 5,
    })  # fmt: skip
    source = KuaiRandTables(
        users=pd.DataFrame({"user_id": range(users)}),
        videos=pd.DataFrame(
            {"video_id": range(videos), "author_id": np.arange(videos) % 4, "tags": tags}
        ),
        log=log,
        earlier=dict.fromkeys(("watched", "liked", "long_viewed"), earlier),
    )
    return KuaiRand(source, "click", None, False, "2022-05-01", "2022-05-04")


def until(data, time):
    log = data.source.log
    return dataclasses.replace(
        data, source=dataclasses.replace(data.source, log=log[log["time_ms"] < time])
    )


@pytest.mark.parametrize("seed", range(2))
def test_no_feature_changes_when_present_and_later_rows_are_removed(seed):
    data = random_data(seed)
    whole = data.features(data.source.log)
    for time, rows in data.source.log.groupby("time_ms"):
        pd.testing.assert_frame_equal(until(data, time).features(rows), whole.loc[rows.index])


def test_earlier_rows_do_matter():
    data = random_data()
    last = data.source.log.tail(1)
    features, before = data.features(last), until(data, TEST + 30_000).features(last)
    for name in (*STATISTICS, *CROSS[:2], "clicked_same_tag"):
        assert features[name].iloc[0] != before[name].iloc[0], name
    assert len(features["clicked"].iloc[0]) > len(before["clicked"].iloc[0])


def test_counts_against_plain_loops():
    data = random_data(seed=7)
    log, videos = data.source.log, data.source.videos
    rows = pd.DataFrame(
        [(user, video, TEST + 31_000, 1) for user, video in itertools.product(range(6), range(12))],
        columns=["user_id", "video_id", "time_ms", "tab"],
    )
    for row in data.features(rows).itertuples():
        past = log[(log["user_id"] == row.user_id) & (log["time_ms"] < row.time_ms)]
        own_tags = videos["tags"][past["video_id"]].tolist()
        counts = [
            (sum(t.count(tag) for t in own_tags),
             sum(t.count(tag) for t, c in zip(own_tags, past["is_click"], strict=True) if c))
            for tag in row.tags
        ]  # fmt: skip
        expected = np.mean(counts, axis=0) if counts else [0, 0]
        received = [row.user_tag_impressions, row.user_tag_clicks]
        np.testing.assert_allclose(received, expected, rtol=1e-6)
        by_author = past[past["video_id"] % 4 == row.video_id % 4]
        assert row.user_author_impressions == len(by_author)
        assert row.user_author_clicks == by_author["is_click"].sum()
        clicked = [
            *data.source.earlier["long_viewed"].query(f"user_id == {row.user_id}")["video_id"],
            *past.loc[past["is_click"] == 1, "video_id"],
        ][-50:]
        assert row.clicked.tolist() == clicked
        assert row.clicked_same_video == clicked.count(row.video_id)
        tags = [tag for video in clicked for tag in videos["tags"][video]]
        assert row.clicked_tags.tolist() == tags[-50:]
        same = np.mean([tags.count(tag) for tag in row.tags]) if row.tags else 0
        np.testing.assert_allclose(row.clicked_same_tag, same, rtol=1e-6)


# --- Privileged features and the schema ----------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "name", "reason"),
    [
        ("click", "is_click", "it is the label"),
        ("click", "play_time_ms", "defined from the play time"),
        ("click", "watch_ratio", "defined from the play time"),
        ("click", "long_view", "a long view is a click that lasted"),
        ("long_view", "play_time_ms", "defined from the play time"),
        ("long_view", "watch_ratio", "defined from the play time"),
        ("long_view", "is_click", "without a click there is none"),
        ("like", "is_like", "it is the label"),
        ("like", "is_click", "all rows of this task have a click"),
        ("comment", "comment_stay_time", "hardly anybody writes without staying there"),
        ("profile_enter", "profile_stay_time", "only those who enter the profile stay there"),
    ],
)
def test_what_gives_the_label_away_is_refused(task, name, reason, write):
    message = f"`privileged` must not name '{name}' for the label '{LABELS[task]}': .*{reason}"
    with pytest.raises(ValueError, match=message):
        kuairand_pure(write(FILES), task, privileged=["user_tag_clicks", name])
    allowed = {
        feature.name for feature in kuairand_pure(write(FILES), task).schema.sides["privileged"]
    }
    assert name not in allowed


@pytest.mark.parametrize("names", ["is_like", ["is_like", "is_like"]])
def test_privileged_takes_names_once(names, write):
    with pytest.raises(ValueError, match="`privileged` must be a list of names, each once"):
        kuairand_pure(write(FILES), privileged=names)


def test_unknown_privileged_feature_is_named(write):
    with pytest.raises(ValueError, match=r"`privileged` must name .* received 'age'"):
        kuairand_pure(write(FILES), privileged=["age"])


def test_privileged_features_by_task(write):
    folder = write(FILES)

    def groups(*arguments, **settings):
        schema = kuairand_pure(folder, *arguments, **settings).schema
        return {kind: [f.name for f in group] for kind, group in schema.privileged.items()}

    assert groups("click") == groups("long_view") == {"cross": list(CROSS)}
    likes = [name for name in POST_EVENT if name != "is_like"]
    assert groups("like") == {"post_event": likes}
    assert groups("like", privileged=["user_tag_clicks", "is_follow"]) == {
        "cross": ["user_tag_clicks"], "post_event": ["is_follow"]
    }  # fmt: skip
    assert groups("click", privileged=[]) == {}


SECONDARY = ("is_like", "is_profile_enter", "is_comment", "is_follow")


@pytest.mark.parametrize(
    ("task", "privileged", "secondary"),
    [
        ("click", None, SECONDARY),
        ("long_view", [], SECONDARY),
        ("like", [], SECONDARY[1:]),
        # What a privileged feature is or gives away isn't an objective.
        ("click", ["is_like", "is_forward"], SECONDARY[1:]),
        ("click", ["comment_stay_time"], ("is_like", "is_profile_enter", "is_follow")),
        ("long_view", ["profile_stay_time"], ("is_like", "is_comment", "is_follow")),
        ("like", None, ()),
    ],
)
def test_objectives_are_the_labels_that_nothing_gives_away(task, privileged, secondary, write):
    data = kuairand_pure(write(FILES), task, privileged=privileged)

    assert data.objectives == (LABELS[task], *secondary)
    assert not {*data.objectives} & {*data.schema.features()}


def test_batches_hold_users_and_all_labels(data):
    schema = data.schema.adapt(data.train, verbose=0)
    primary, *secondary = data.objectives
    ((inputs, labels),) = from_rows(
        data.train, schema, batch_size=9, by_list=True, labels=secondary
    )

    # User 5's rows before that of user 8; a comment and a like follow its third impression.
    assert primary == schema.label and labels.numpy().tolist() == [1, 0, 1, 0, 0]
    lists = inputs[LIST].numpy()
    assert (lists - lists[0]).tolist() == [0, 0, 0, 0, 1]
    for name, expected in (("is_like", [0, 0, 1, 0, 0]), ("is_comment", [0, 0, 1, 0, 0])):
        assert inputs[name].numpy().tolist() == expected
    assert not np.any(inputs["is_follow"])


@pytest.mark.parametrize("ids", [False, True])
def test_schema_takes_the_columns_as_they_are(ids, write):
    data = kuairand_pure(write({**FILES, **EARLIER_FILE}), ids=ids)
    rows = pd.concat([data.train, data.validation, data.test], ignore_index=True)
    schema = data.schema.adapt(rows, verbose=0)

    assert item_id_of(schema).name == "video_id"
    assert set(schema.column_names) <= set(rows)
    table = schema.vocabularies["video_id"]
    named = {"user_id", "author_id", "clicked", "liked"} & set(schema.features("served"))
    if ids:
        assert set(table.vocabulary) == {10, 20, 30, 40} and len(named) == 4
    else:
        # Padding and one row for all: no model can tell one video from another by its id.
        assert schema.table_rows(table) == 2 and not named
    inputs, labels = next(iter(from_rows(rows, schema, batch_size=9)))[:2]
    assert set(inputs) >= set(schema.features("all")) and len(labels) == 9


def test_unexposed_candidates_get_their_own_features(data):
    drawn = sample_unexposed(
        data.train, data.items, data.schema, user="user_id", item="video_id",
        exposed=data.exposed_until_training, extra_columns=["time_ms"], per_row=2,
    )  # fmt: skip
    features = data.features(drawn[["user_id", "video_id", "time_ms", "tab"]])

    assert set(features.loc[features["user_id"] == 5, "video_id"]) <= {30, 40}
    rows = pd.concat([data.train, features.assign(is_click=np.nan)], ignore_index=True)
    assert set(data.schema.column_names) <= set(features) | {"is_click"}
    assert rows[[f.name for f in data.schema.sides["privileged"]]].notna().all(axis=None)
    # At the same moment a user's history is the same, whatever the video.
    first = data.train.iloc[0]
    assert features["clicked"].iloc[0].tolist() == first["clicked"].tolist()
