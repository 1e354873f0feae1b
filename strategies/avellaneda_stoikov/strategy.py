"""What the registry knows of it."""

from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.avellaneda_stoikov.policy import AvellanedaStoikov
from strategies.desk.quoting import MAIN
from strategies.strategy import Strategy, on_desk

STRATEGY: Strategy = on_desk(
    "avellaneda_stoikov", AvellanedaStoikovParams, (MAIN,), AvellanedaStoikov, heeds_acceptance=False
)
