"""Backtests: any group's machine against the matching core, on a tape's prices and virtual time."""
