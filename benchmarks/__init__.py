"""Speed and memory, measured: `python -m benchmarks` prints a table. Nothing here passes or fails."""
