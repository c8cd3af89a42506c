"""Running a scenario: plan once per seed, then every system on the same plan, one after the other, each on gateway and replicas of its own."""
