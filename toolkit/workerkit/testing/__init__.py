"""Contract suites and helpers for those who write plugins and queues."""
