"""What is observed of the simulated users and items: ids, prices and noisy proxies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfpfd.datasets.marketplace.world import FACTORS, World

NUM_STYLES = FACTORS // 2


def user_table(generator: np.random.Generator, world: World) -> pd.DataFrame:
    """`user_id`, `segment`, `age`, `thrift`, a row a user; see `Marketplace`."""
    count = len(world.taste)
    noise = generator.normal(size=(3, count))
    bits = world.taste[:, :3] + generator.normal(size=(count, 3)) > 0
    return pd.DataFrame({
        "user_id": np.arange(count),
        "segment": bits @ np.array([1, 2, 4]),
        "age": np.clip(np.round(40 + 8 * (world.taste[:, 3] + noise[0])), 18, 80),
        "thrift": np.log(world.sensitivity) + 0.5 * noise[1],
    }).astype({"age": np.float32, "thrift": np.float32})  # fmt: skip


def item_table(generator: np.random.Generator, world: World) -> pd.DataFrame:
    """What is observed of items, a row an item; see `Marketplace`."""
    count = len(world.factors)
    cents = np.maximum(np.round(2_000 * np.exp(0.8 * world.price_level)), 1).astype(np.int64)
    table = {
        "item_id": np.arange(count),
        "category": world.category,
        "seller_id": world.seller,
        "new_seller": world.new_seller[world.seller],
        "price": cents / 100,
        "photo_score": world.appeal + generator.normal(size=count),
    }
    for number in range(NUM_STYLES):
        noisy = world.factors[:, number] * FACTORS**0.5 + generator.normal(size=count)
        table[f"style_{number}"] = noisy
    floats = ("price", "photo_score", *(f"style_{n}" for n in range(NUM_STYLES)))
    return pd.DataFrame(table).astype(dict.fromkeys(floats, np.float32))
