"""The smoke test: what every account must be able to do before it is trusted with a strategy, step by step."""
