"""Telling people: what happens becomes messages, messages go out by channels, and words come back from Telegram."""
