"""sponge-bench: trace-replay benchmarking of inference serving under dynamic service-level objectives."""

__version__ = "0.1.0"
