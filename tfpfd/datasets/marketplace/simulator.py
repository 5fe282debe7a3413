"""A simulated marketplace whose true rates are known."""

from __future__ import annotations

import numpy as np

from tfpfd._arguments import check_integer, check_number
from tfpfd.datasets.marketplace.data import Marketplace
from tfpfd.datasets.marketplace.observed import item_table, user_table
from tfpfd.datasets.marketplace.rows import OBJECTIVES, PARTS, Task
from tfpfd.datasets.marketplace.world import World, simulate


def marketplace(
    task: Task = "click",
    users: int = 2_000,
    items: int = 500,
    categories: int = 12,
    days: int = 20,
    shown: int = 10,
    strength: float = 1.0,
    noise: float = 1.0,
    completion: float = 1.0,
    seed: int = 0,
    verbose: int | bool = 0,
) -> Marketplace:
    """Simulates a marketplace: impressions, clicks, purchases and what follows them.

    See `Marketplace` for the process.

    The number of impressions is users · days · shown. Each takes about 6 bytes until a part is
    asked for; `Marketplace.to_parquet` writes parts that are too large for memory.

    Args:
      task: `"click"` (rows: impressions, label: clicked, privileged: cross features), `"purchase"`
        (rows: clicks, label: purchased, privileged: post-event features) or `"objectives"` (rows:
        impressions, labels: purchased and the others in `Marketplace.objectives`, privileged:
        nothing).
      users: how many.
      items: how many.
      categories: how many.
      days: how many; every user visits once a day.
      shown: items shown on a visit.
      strength: of the signal in post-event features, from 0 (none) to 1.
      noise: of post-event features, from 0 to 5; 1 is as much as the signal of strength 1.
      completion: share of the wanted purchases that are completed, from 0 to 1, whoever wants what:
        purchases get rarer, and no easier to tell from the features. At 1 about a fifth of the
        clicks is followed by one.
      seed: of all draws. The same arguments give the same data. Neither `task` nor `strength` and
        `noise` change what is shown, clicked and purchased; `completion` changes purchases alone,
        and those of a smaller one are among those of a larger; more days don't change earlier ones.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      The data, its parts and the truth.

    Raises:
      ValueError: an argument is out of its range.
    """
    if task not in OBJECTIVES:
        raise ValueError(f"`task` must be one of {list(OBJECTIVES)}, received {task!r}")
    for name, value, least in (
        ("users", users, 1),
        ("items", items, 2),
        ("categories", categories, 1),
        ("days", days, len(PARTS)),
        ("shown", shown, 1),
        ("seed", seed, 0),
    ):
        check_integer(name, value, least)
    if shown > items:
        raise ValueError(f"`shown` must be at most `items` ({items}), received {shown}")
    check_number("strength", strength, most=1.0)
    check_number("completion", completion, most=1.0)
    check_number("noise", noise, most=5.0)  # Beyond, exp() leaves what a count can be.
    # A generator a purpose: what one of them draws doesn't move the others.
    world_draws, log_draws, event_draws, proxy_draws, outcome_draws, completion_draws = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)
    )
    world = World.draw(world_draws, users, items, categories)
    generators = log_draws, event_draws, outcome_draws, completion_draws
    log = simulate(world, generators, days, shown, strength, noise, completion, verbose)
    return Marketplace(
        task=task,
        users=user_table(proxy_draws, world),
        items=item_table(proxy_draws, world),
        days=days,
        shown=shown,
        completion=completion,
        world=world,
        log=log,
    )
