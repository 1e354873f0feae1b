"""Settings: read once, checked whole, passed on as values."""
