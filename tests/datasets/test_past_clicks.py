import numpy as np

from tfpfd.datasets.marketplace.past_clicks import PastClicks


def test_past_by_hand():
    # User 0 clicked items 0, 1 and 0 on days 0, 1 and 9; user 1 item 2 on day 1. Items 0 and 2
    # are of category 0; they cost 1, 4 and 7.
    user, item, day = (np.array(c) for c in ([0, 0, 1, 0], [0, 1, 2, 0], [0, 1, 1, 9]))
    past = PastClicks(user, item, day, np.array([0, 1, 0]), np.array([100, 400, 700]), days=12)

    rows = [(0, 2, 0), (0, 2, 1), (0, 2, 2), (0, 2, 9), (0, 2, 10), (1, 2, 1), (1, 1, 11)]
    users, items, days = np.array(rows).T
    expected = [
        [0, 0, 0, 0],
        [1, 1, 1, np.log(7)],
        [1, 1 / 2, 1 / 2, np.log(7 / 2.5)],
        [0, 1 / 2, 1 / 9, np.log(7 / 2.5)],  # Day 0 is no longer among the last seven.
        [1, 2 / 3, 1, np.log(7 / 2)],
        [0, 0, 0, 0],
        [0, 0, 0, np.log(4 / 7)],
    ]
    np.testing.assert_allclose(past.cross(users, items, days), expected, rtol=1e-6)
    values, offsets = past.history(users, days)
    histories = [part.tolist() for part in np.split(values, offsets[1:-1])]
    assert histories == [[], [0], [0, 1], [0, 1], [0, 1, 0], [], [2]]


def test_nothing_is_past_without_clicks():
    none = np.zeros(0, np.int64)
    past = PastClicks(none, none, none, np.array([0]), np.array([100]), days=3)

    assert (
        past.cross(np.zeros(2, int), np.zeros(2, int), np.array([0, 2])).tolist() == [[0] * 4] * 2
    )
    assert past.history(np.zeros(2, int), np.array([0, 2]))[1].tolist() == [0, 0, 0]
