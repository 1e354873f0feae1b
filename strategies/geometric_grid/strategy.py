"""What the registry knows of it."""

from strategies.desk.quoting import MAIN
from strategies.geometric_grid.params import GeometricGridParams
from strategies.geometric_grid.policy import GeometricGrid
from strategies.strategy import Strategy, on_desk

STRATEGY: Strategy = on_desk("geometric_grid", GeometricGridParams, (MAIN,), GeometricGrid, heeds_acceptance=False)
