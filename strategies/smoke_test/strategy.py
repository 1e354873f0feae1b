"""What the registry knows of it."""

from strategies.smoke_test.params import SmokeTestParams
from strategies.smoke_test.policy import SmokeTest
from strategies.strategy import Strategy, on_desk

STRATEGY: Strategy = on_desk("smoke_test", SmokeTestParams, None, SmokeTest)
