"""Lighter's wire protocol over a simulated exchange: REST, signed transactions, and the `/stream` WebSocket."""
