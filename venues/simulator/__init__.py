"""Both venues on loopback, speaking their wire protocols: paper mode, the demo and the tests trade here."""
