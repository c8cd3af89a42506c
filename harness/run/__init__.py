"""Running a scenario: a plan once per seed, then every system on that plan, on a gateway and replicas of its own."""
