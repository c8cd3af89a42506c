"""sponge-bench: trace-replay benchmarking of inference serving under dynamic service-level objectives."""

from harness.kernel import kernel_in_use, use_compiled_kernel

__version__ = "0.1.0"
__all__ = ["__version__", "kernel_in_use"]

use_compiled_kernel()
