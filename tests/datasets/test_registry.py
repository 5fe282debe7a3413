"""Data sets by name, and that each can what it says."""

import pytest

from tfpfd.datasets import Registered, marketplace, register
from tfpfd.datasets.protocol import WithCatalogue, WithTrueRates
from tfpfd.datasets.registry import DATASETS, can, path_of


@pytest.fixture(scope="module")
def made(movielens):
    """One of each; a small marketplace in place of the whole one."""
    return {
        "movielens": movielens,
        "marketplace": marketplace(users=30, items=40, days=5),
        "mediator": DATASETS["mediator"].load(None),
    }


def test_every_data_set_is_known():
    assert set(DATASETS) == {"kuairand", "marketplace", "mediator", "movielens"}


@pytest.mark.parametrize("name", ["marketplace", "mediator", "movielens"])
def test_a_data_set_can_what_it_says(made, name):
    data = made[name]
    for part in ("train", "validation", "test"):
        assert set(data.schema.column_names) <= set(getattr(data, part))
    assert isinstance(data, WithTrueRates) == can(name, "true rates")
    assert isinstance(data, WithCatalogue) == can(name, "catalogue")
    assert ("user_id" in data.schema.features("served")) == can(name, "user ids")


def test_the_ids_of_kuairand_are_no_features(kuairand_folder):
    data = DATASETS["kuairand"].load(kuairand_folder)
    assert "user_id" not in data.schema.features("served")
    assert not isinstance(data, WithTrueRates | WithCatalogue)
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        DATASETS["kuairand"].load(None)


def test_what_is_not_known_can_nothing():
    assert not can("nothing", "simulated")
    assert not can(None, "simulated")


def test_paths_are_of_what_was_read(tmp_path):
    assert path_of("movielens", str(tmp_path)) == tmp_path
    with pytest.raises(ValueError, match="`--data mediator:/x`: mediator is simulated"):
        path_of("mediator", "/x")
    with pytest.raises(FileNotFoundError, match="nothing is at '/no/where'"):
        path_of("movielens", "/no/where")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a:b"}, "`name` must be a word"),
        ({"name": ""}, "`name` must be a word"),
        ({"abilities": {"fly"}}, r"`abilities` must be of \['simulated', .*received \['fly'\]"),
        ({"name": "movielens"}, "received 'movielens', which is taken"),
    ],
)
def test_entries_that_are_none(entry, message):
    with pytest.raises(ValueError, match=message):
        register(Registered(**{"name": "mine", "load": lambda path: None, **entry}))
