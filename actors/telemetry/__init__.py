"""Heartbeats: of bots that report here, and of our own groups and legs to wherever somebody listens."""
