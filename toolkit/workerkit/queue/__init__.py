"""The durable queue: its contracts in `base`, and the one that lives in a SQLite file."""
