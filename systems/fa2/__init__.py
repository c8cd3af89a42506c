"""FA2: horizontal scaling with batching."""
