"""Lighter (zkLighter): the client of one account."""
