"""The twin: the same plan, engine and policy in virtual time."""
