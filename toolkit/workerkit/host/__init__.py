"""The host: owns the queue and the workers, gives jobs out, commits every end. Never imports a handler."""
