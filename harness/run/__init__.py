"""Running a scenario: plan once per seed, then every system on the same plan, each on a fresh backend."""
