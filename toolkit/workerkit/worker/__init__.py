"""The worker process: it imports the handler, takes jobs from its host, and runs them."""
