"""The vocabulary every layer shares: ids, money, instruments, orders, positions, events and commands."""
