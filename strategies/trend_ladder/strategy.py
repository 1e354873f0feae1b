"""What the registry knows of it."""

from strategies.desk.quoting import MAIN
from strategies.strategy import Strategy, on_desk
from strategies.trend_ladder.params import TrendLadderParams
from strategies.trend_ladder.policy import TrendLadder

STRATEGY: Strategy = on_desk("trend_ladder", TrendLadderParams, (MAIN,), TrendLadder, heeds_acceptance=False)
