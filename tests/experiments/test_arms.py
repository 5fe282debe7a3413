import pandas as pd

from tfpfd.experiments.arms import shuffle_privileged
from tfpfd.schema import Categorical, Numeric, Schema

SCHEMA = Schema(
    user=(Categorical("user"),),
    item=(Categorical("item"),),
    privileged={"cross": (Numeric("x"), Numeric("z"))},
)
ROWS = pd.DataFrame(
    {"user": list("abcdefgh"), "item": list("ijklmnop"), "x": range(8), "z": range(10, 18)}
)


def test_privileged_features_are_permuted_together_and_nothing_else():
    shuffled = shuffle_privileged(ROWS, SCHEMA, seed=1)
    pd.testing.assert_frame_equal(shuffled[["user", "item"]], ROWS[["user", "item"]])
    assert sorted(shuffled["x"]) == sorted(ROWS["x"])
    assert (shuffled["x"] != ROWS["x"]).any()
    assert (shuffled["z"] == shuffled["x"] + 10).all()


def test_the_seed_decides_the_permutation():
    first, again, other = (
        shuffle_privileged(ROWS, SCHEMA, seed)["x"].tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
