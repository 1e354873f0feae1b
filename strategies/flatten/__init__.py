"""The way out and nothing else: from whatever is held, on any number of legs, to flat by every venue's own word."""
