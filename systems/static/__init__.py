"""Static allocations: no control at all."""
