"""Methods: the time that each way of training with a teacher adds to the student alone.

python benchmarks/methods.py [--steps 8] [--repeats 5] [--shrink 8] [--full]
    [--processor-time]

Beside the figures of "Privileged Features Distillation at Taobao Recommendations", which come from
parameter servers and another model of inputs. The paper's teacher of seven layers has 51 million
weights, 95 times those of the student's network. On two cores it would cover everything else, so it
goes in with every width divided by `--shrink`, and as it is too with `--full`.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import (
    BATCH,
    DIM,
    FEATURES,
    UNITS,
    add_clock,
    batches,
    clock_of,
    fit,
    machine,
    schema,
    side_by_side,
    table,
    table_rows,
)

import tfpfd

SEVEN_LAYERS = [8192, 4096, 2048, 1024, 512, 256, 128]
SEQUENCES = 3

ALONE, PFD, FULL = "student alone", "shared, same-size teacher", "shared, the paper's seven layers"
SHARED, SYNCHRONOUS, ASYNCHRONOUS, STORE = (
    "shared, seven layers",
    "independent synchronous, seven layers",
    "independent asynchronous, seven layers",
    "label store",
)
PUBLISHED = {
    PFD: "+3.6 %",
    SHARED: "+22.5 %",
    FULL: "+22.5 %",
    SYNCHRONOUS: "+67.4 %",
    ASYNCHRONOUS: "+119.7 %",
}
"""Time added in fine ranking (CVR), in the order of the paper's table of training manners."""


def compiled(model: tfpfd.Ranker | tfpfd.Distillation) -> tfpfd.Ranker | tfpfd.Distillation:
    """The model with the optimizer that all have."""
    model.compile(optimizer=tfpfd.optimizers.RowWiseAdagrad(0.01))
    return model


def candidates(steps: int, shrink: int, full: bool) -> dict:
    """What to time: an epoch of `steps` batches of each method, by its name."""
    made = schema(SEQUENCES)
    inputs, labels = table_rows(made, BATCH * steps)
    data = batches((inputs, labels), steps)
    scores = np.random.default_rng(1).normal(size=len(labels)).astype(np.float32)
    stored = batches(({**inputs, "score": scores}, labels), steps)
    seven = [width // shrink for width in SEVEN_LAYERS]

    def encoder(features: list[str] | None = None) -> tfpfd.FeatureEncoder:
        return tfpfd.FeatureEncoder(made, features, dim=DIM, behaviour=tfpfd.SelfAttention())

    def student() -> tfpfd.Ranker:
        return tfpfd.Ranker(made, tfpfd.MLP(UNITS), encoder=encoder())

    def shared(units: list[int]) -> tfpfd.Distillation:
        learner = student()
        teacher = tfpfd.Ranker(made, tfpfd.MLP(units), sees="all", encoder=learner.encoder)
        return compiled(tfpfd.Distillation(student=learner, teacher=teacher))

    def apart() -> tfpfd.Ranker:
        own = encoder(made.features("all"))
        return tfpfd.Ranker(made, tfpfd.MLP(seven), sees="all", encoder=own)

    # Two teachers, one that is trained and one that is frozen: the time is that of one trained and
    # then frozen.
    frozen = apart()
    frozen.trainable = False
    first = fit(compiled(apart()), data)
    then = fit(compiled(tfpfd.Distillation(student=student(), teacher=frozen)), data)
    store = tfpfd.Distillation(student=student(), teacher=tfpfd.PrecomputedTeacher("score"))
    found = {
        ALONE: fit(compiled(student()), data),
        PFD: fit(shared(UNITS), data),
        SHARED: fit(shared(seven), data),
        SYNCHRONOUS: fit(compiled(tfpfd.Distillation(student=student(), teacher=apart())), data),
        ASYNCHRONOUS: lambda: (first(), then()),
        STORE: fit(compiled(store), stored),
    }
    return {**found, FULL: fit(shared(SEVEN_LAYERS), data)} if full else found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="batches a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each candidate")
    parser.add_argument("--shrink", type=int, default=8, help="divides the widths of seven layers")
    parser.add_argument("--full", action="store_true", help="time the whole seven layers too")
    add_clock(parser)
    options = parser.parse_args()
    clock, kind = clock_of(options)
    seconds = side_by_side(
        candidates(options.steps, options.shrink, options.full), options.repeats, clock
    )
    print(machine(), end="\n\n")
    widths = "-".join(str(width // options.shrink) for width in SEVEN_LAYERS)
    sizes = "-".join(map(str, UNITS))
    title = (
        f"{FEATURES} features, {SEQUENCES} behaviour sequences of 50 with self-attention, "
        f"batches of {BATCH:,}; student {sizes}, seven layers: {widths}"
    )
    table(title, f"{kind} a step", seconds, options.steps, ALONE, PUBLISHED)


if __name__ == "__main__":
    main()
