"""Five plugins, each broken in a way of its own; the README lists them."""
