"""The floor: what a system that knows the whole plan must spend at least, and a schedule that comes near it."""
