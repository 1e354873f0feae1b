"""Backpack Exchange on loopback: its REST and WebSocket protocol over the simulated exchange."""
