"""Statistics of runs: numbers with intervals, and comparisons that say what they cannot tell (docs/statistics.md)."""
