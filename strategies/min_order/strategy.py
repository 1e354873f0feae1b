"""What the registry knows of it."""

from strategies.min_order.params import MinOrderParams
from strategies.min_order.policy import MinOrder
from strategies.strategy import Strategy, on_desk

STRATEGY: Strategy = on_desk("min_order", MinOrderParams, None, MinOrder)
