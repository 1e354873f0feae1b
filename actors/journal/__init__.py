"""The append-only record that is written before anything is done."""
