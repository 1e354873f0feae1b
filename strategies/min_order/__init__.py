"""The minimum-order diagnostic: the smallest market orders a venue takes, one by one, and what became of each."""
