"""Sponge: in-place vertical scaling, deadline order and dynamic batching."""
