"""The process behind the simulated marketplace: who likes what, what is shown, what happens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfpfd._keras import keras

FACTORS = 8
CANDIDATES = 50  # items that the policy chooses from on each visit
SELLERS_PER_ITEM = 0.1
NEW_SELLERS = 0.1
CLICK_BIAS, PURCHASE_BIAS = -4.0, -2.2
CANCEL_BIAS, RATING_BIAS = -3.1, 0.6
POLICY_ERROR = 0.7
_BLOCK = 4096  # visits at a time: bounds the memory to 4096 x 50 candidates x 18 numbers


@dataclass(frozen=True, eq=False)
class World:
    """What is true of users and items, and never observed; ids are positions.

    Attributes:
      taste: [users, 8] p_u.
      affinity: [users, categories] a_u.
      sensitivity: [users] s_u, to the price.
      misjudged: [users, 8] p'_u, what the logging policy gets wrong.
      factors: [items, 8] q_i.
      appeal: [items] v_i.
      price_level: [items] z_i, standard normal.
      category: [items] c(i).
      seller: [items].
      new_seller: [sellers] whether it is new.
      misjudged_items: [items, 8] q'_i.
      quality: [items] d_i, standard normal.
      reliability: [sellers] r, standard normal.
    """

    taste: np.ndarray
    affinity: np.ndarray
    sensitivity: np.ndarray
    misjudged: np.ndarray
    factors: np.ndarray
    appeal: np.ndarray
    price_level: np.ndarray
    category: np.ndarray
    seller: np.ndarray
    new_seller: np.ndarray
    misjudged_items: np.ndarray
    quality: np.ndarray
    reliability: np.ndarray

    @classmethod
    def draw(cls, generator: np.random.Generator, users: int, items: int, categories: int) -> World:
        """Draws users and items."""

        def normal(*shape: int) -> np.ndarray:
            return generator.standard_normal(shape, dtype=np.float32)

        sellers = max(1, int(items * SELLERS_PER_ITEM))
        scale = np.float32(FACTORS**-0.5)
        return cls(
            taste=normal(users, FACTORS),
            affinity=normal(users, categories),
            sensitivity=np.exp(0.5 * normal(users)),
            misjudged=normal(users, FACTORS),
            factors=scale * normal(items, FACTORS),
            appeal=normal(items),
            price_level=normal(items),
            category=generator.integers(categories, size=items),
            seller=generator.integers(sellers, size=items),
            new_seller=generator.random(sellers) < NEW_SELLERS,
            misjudged_items=scale * normal(items, FACTORS),
            # The last draws: they came later, and move none of those above.
            quality=normal(items),
            reliability=normal(sellers),
        )

    def click_logit(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """η(u, i) of `users` and `items`, which broadcast against each other."""
        return (
            np.float32(CLICK_BIAS)
            + np.float32(0.8) * np.einsum("...k,...k", self.taste[users], self.factors[items])
            + self.affinity[users, self.category[items]]
            + np.float32(0.5) * self.appeal[items]
            - np.float32(0.4) * self.sensitivity[users] * self.price_level[items]
        )

    def purchase_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """m(u, i) of `users` and `items`, which broadcast against each other."""
        return (
            np.float32(PURCHASE_BIAS)
            + np.float32(0.4) * np.einsum("...k,...k", self.taste[users], self.factors[items])
            + np.float32(0.4) * self.appeal[items]
            - np.float32(0.5) * self.sensitivity[users] * self.price_level[items]
        )

    def cancel_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """κ(u, i) of `users` and `items`, which broadcast against each other."""
        return (
            np.float32(CANCEL_BIAS)
            - np.float32(0.6) * self.reliability[self.seller[items]]
            + np.float32(0.4) * self.appeal[items]
            - np.float32(0.25) * self.sensitivity[users] * self.price_level[items]
        )

    def rating_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """ρ(u, i) of `users` and `items`, which broadcast against each other."""
        return (
            np.float32(RATING_BIAS)
            + np.float32(0.7) * self.quality[items]
            + np.float32(0.3) * np.einsum("...k,...k", self.taste[users], self.factors[items])
            + np.float32(0.3) * self.reliability[self.seller[items]]
            - np.float32(0.6) * self.appeal[items]
        )

    def policy_score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The logging policy's idea of η(u, i)."""
        error = np.einsum("...k,...k", self.misjudged[users], self.misjudged_items[items])
        return self.click_logit(users, items) + np.float32(POLICY_ERROR) * error


@dataclass(frozen=True, eq=False)
class Log:
    """What happened; an impression's day and user follow from its position.

    Impressions stand by day, then user, then place on the page: that at position n is in day
    n // (users · shown) and of user n // shown % users.

    Attributes:
      items: [impressions] positions of the items shown.
      clicks: [clicks] positions of the impressions that were clicked, ascending.
      purchased: [clicks] whether a purchase followed.
      cancelled: [clicks] whether one followed and was cancelled.
      rated_well: [clicks] whether one followed, was kept and got a good rating.
      post_event: [clicks, 3] dwell time, comments read, seller contacted.
    """

    items: np.ndarray
    clicks: np.ndarray
    purchased: np.ndarray
    cancelled: np.ndarray
    rated_well: np.ndarray
    post_event: np.ndarray


def simulate(
    world: World,
    generators: tuple[np.random.Generator, ...],
    days: int,
    shown: int,
    strength: float,
    noise: float,
    completion: float,
    verbose: int | bool,
) -> Log:
    """Runs the marketplace day by day; more days don't change earlier ones.

    Args:
      world: users and items.
      generators: of impressions, clicks and intents; of post-event features; of what follows a
        purchase; and of which purchases are completed.
      days: how many; every user visits once in each.
      shown: items shown on a visit.
      strength: of the signal in post-event features.
      noise: of post-event features.
      completion: share of the wanted purchases that are completed.
      verbose: 0: silent, 1: a progress bar.
    """
    users = len(world.taste)
    items, clicks, purchased, cancelled, rated_well, post_event = [], [], [], [], [], []
    progress = keras.utils.Progbar(days, verbose=int(verbose), unit_name="day")
    start = 0
    for _ in range(days):
        for first in range(0, users, _BLOCK):
            visitors = np.arange(first, min(first + _BLOCK, users))
            page = _page(world, generators[0], visitors, shown)
            rate = 1 / (1 + np.exp(-world.click_logit(visitors[:, None], page)))
            place = np.flatnonzero(generators[0].random(page.size) < rate.ravel())
            user, item = visitors[place // shown], page.ravel()[place]
            intent = generators[0].normal(size=len(place))
            items.append(page.ravel().astype(np.int32))
            clicks.append(start + place)
            wanted = world.purchase_index(user, item) + intent > 0
            bought = wanted & (generators[3].random(len(place)) < completion)
            regret, delight = generators[2].normal(size=(2, len(place)))
            kept = bought & (world.cancel_index(user, item) + regret <= 0)
            purchased.append(bought)
            cancelled.append(bought & ~kept)
            rated_well.append(kept & (world.rating_index(user, item) + delight > 0))
            level = world.price_level[item]
            post_event.append(_post_event(generators[1], intent, level, strength, noise))
            start += page.size
        progress.add(1)
    columns = (items, clicks, purchased, cancelled, rated_well, post_event)
    return Log(*(np.concatenate(parts) for parts in columns))


def _page(
    world: World, generator: np.random.Generator, users: np.ndarray, shown: int
) -> np.ndarray:
    """[visits, shown] items, drawn without replacement from a softmax over the candidates."""
    candidates = _candidates(generator, len(users), len(world.factors), shown)
    scores = world.policy_score(users[:, None], candidates)
    # The largest of scores with Gumbel noise are a draw from their softmax.
    wait = generator.standard_exponential(scores.shape, dtype=np.float32)
    scores -= np.log(np.maximum(wait, np.finfo(np.float32).tiny))  # It may be rounded to 0.
    best = np.argpartition(-scores, shown - 1, axis=1)[:, :shown]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
    return np.take_along_axis(candidates, best, axis=1)


def _candidates(generator: np.random.Generator, visits: int, items: int, shown: int) -> np.ndarray:
    """[visits, candidates] different items in a row, each item as likely as any other."""
    count = min(items, max(CANDIDATES, 2 * shown))
    drawn = np.sort(generator.integers(items - count + 1, size=(visits, count)), axis=1)
    # Adding 0, 1, 2, … makes them differ; turning the circle of items makes them equally likely.
    turn = generator.integers(items, size=(visits, 1))
    return (drawn + np.arange(count) + turn) % items


def _post_event(
    generator: np.random.Generator,
    intent: np.ndarray,
    price_level: np.ndarray,
    strength: float,
    noise: float,
) -> np.ndarray:
    """[clicks, 3] dwell time (seconds), number of comments read, whether the seller was asked."""
    own = noise * generator.normal(size=(3, len(intent)))
    dwell = np.exp(3.0 + 0.8 * (strength * (0.4 * intent + 1.2 * price_level) + own[0]))
    comments = generator.poisson(np.exp(0.8 * (strength * intent + own[1])))
    contacted = strength * intent + own[2] > 1.0
    return np.column_stack([dwell, comments, contacted]).astype(np.float32)
