"""What the registry knows of it."""

from strategies.simple_hedge.params import SimpleHedgeParams
from strategies.simple_hedge.policy import FOLLOW, LEAD, SimpleHedge
from strategies.strategy import Strategy, on_desk

STRATEGY: Strategy = on_desk("simple_hedge", SimpleHedgeParams, (LEAD, FOLLOW), SimpleHedge, heeds_acceptance=False)
