"""The desk: what every strategy that works orders has in common. A policy says what it wants, the desk brings it about.

It folds facts, keeps one order a slot, adopts what rests after a restart, obeys the operator, leaves by the way out.
"""
