"""Systems of a run are interleaved in a random order that the seed decides."""

from harness.run.bench import order_of

SYSTEMS = ("sponge", "static-max", "static-half", "fa2")


def test_every_system_runs_once_on_every_seed():
    assert all(sorted(order_of(SYSTEMS, seed)) == sorted(SYSTEMS) for seed in range(20))


def test_the_order_of_a_seed_is_always_the_same():
    assert order_of(SYSTEMS, 3) == order_of(SYSTEMS, 3)


def test_every_system_comes_first_about_as_often():
    first = [order_of(SYSTEMS, seed)[0] for seed in range(400)]
    assert all(70 <= first.count(system) <= 130 for system in SYSTEMS)
