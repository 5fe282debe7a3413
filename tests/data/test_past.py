import numpy as np
import pytest

from tfpfd.data.past import Past


@pytest.mark.parametrize("seed", range(5))
def test_against_plain_loops(seed):
    generator = np.random.default_rng(seed)
    keys, times = generator.integers(-5, 5, 60) * 10**12, generator.integers(0, 20, 60) * 10**11
    values = generator.integers(0, 9, 60)
    # Also keys and moments that no event has.
    asked, moments = generator.integers(-7, 7, 90) * 10**12, generator.integers(-1, 22, 90) * 10**11

    past = Past(keys, times)
    span = past.before(asked, moments)

    assert sorted(past.order) == list(range(60))
    for row, (key, moment) in enumerate(zip(asked, moments, strict=True)):
        # By time; events of one moment in their order: Python's sort is stable.
        events = sorted(np.flatnonzero((keys == key) & (times < moment)), key=lambda e: times[e])
        expected = values[events].tolist()
        assert span.count[row] == len(expected)
        assert span.total(values[past.order])[row] == sum(expected)
        assert span.values(values[past.order])[row].tolist() == expected
        assert span.last(3).values(values[past.order].tolist())[row] == expected[-3:]


def test_events_of_one_moment_are_not_past_of_one_another():
    past = Past(np.array([1, 1, 2, 1]), np.array([10, 10, 9, 11]))

    assert past.before(np.array([1, 1, 1]), np.array([10, 11, 12])).count.tolist() == [0, 2, 3]


def test_equal_ranges_share_one_slice():
    past = Past(np.array([1, 1]), np.array([10, 20]))

    first, second, third = past.before(np.array([1, 1, 1]), np.array([15, 16, 30])).values([7, 8])

    assert first is second
    assert (first, third) == ([7], [7, 8])


def test_no_events_and_no_questions():
    nothing = np.empty(0, np.int64)

    assert Past(nothing, nothing).before(np.array([3]), np.array([5])).count.tolist() == [0]
    span = Past(np.array([1]), np.array([2])).before(nothing, nothing)
    assert span.count.tolist() == span.values([7]).tolist() == span.total(np.array([7])).tolist()
