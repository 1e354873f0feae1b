"""Backpack Exchange: the client of one account."""
