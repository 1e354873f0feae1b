"""Before money is at stake: what stands in a deployment's way, found by reading alone. Nothing here writes."""
