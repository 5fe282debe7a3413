"""A simulated marketplace."""

from tfpfd.datasets.marketplace.data import Marketplace
from tfpfd.datasets.marketplace.simulator import marketplace
from tfpfd.datasets.registry import Registered, register

__all__ = ["Marketplace", "marketplace"]

register(
    Registered(
        "marketplace",
        lambda path: marketplace(),
        {"simulated", "true rates", "user ids", "catalogue"},
    )
)
