"""What the first line says, by hand."""

import numpy as np

from tfpfd.evaluation import Comparison


def test_the_first_line_by_hand():
    def constant(*values):
        return {"recall@50": np.array([np.r_[value, [value] * 3] for value in values])}

    def line(knn, base):
        rivals = {"popularity": constant(0.25), "item_knn": constant(knn)}
        return Comparison("mine", rivals, {"mine": constant(base)}, {}).first_line

    # No spread, so every difference is real.
    assert line(0.40, 0.32) == (
        "Your base 'mine' is below item_knn: fix that first "
        "(recall@50 .3200 < .4000; item_knn minus base +.0800 ± .0000)."
    )
    assert line(0.30, 0.32) == (
        "Your base 'mine' is better than every rival, the nearest item_knn "
        "(recall@50 .3200 ≥ .3000; item_knn minus base -.0200 ± .0000)."
    )
    assert "isn't better than every rival beyond doubt" in line(0.32, 0.32)
