"""The engine's drop rules: what is given up, when, and what is not."""

from harness.engine import Engine
from harness.types import Counts, Drop, EngineSettings, Queued, StartBatch


def dropped(effects):
    return [(e.request.id, e.reason) for e in effects if isinstance(e, Drop)]


def started(effects):
    return [r.id for e in effects if isinstance(e, StartBatch) for r in e.requests]


def test_never_serves_even_what_is_long_past_its_deadline(engine, arrive):
    assert started(arrive(engine(drop="never"), 5.0, (0, -100.0))) == [0]


def test_expired_drops_what_is_past_its_deadline(engine, arrive):
    assert dropped(arrive(engine(drop="expired"), 5.0, (0, 4.9))) == [(0, "expired")]


def test_expired_keeps_what_is_due_this_very_instant(engine, arrive):
    assert started(arrive(engine(drop="expired"), 5.0, (0, 5.0))) == [0]


def test_expired_keeps_what_can_no_longer_make_it(engine, arrive):
    assert started(arrive(engine(drop="expired"), 5.0, (0, 5.1))) == [0]


def test_hopeless_drops_what_even_the_fastest_service_cannot_save(engine, arrive):
    assert dropped(arrive(engine(drop="hopeless"), 5.0, (0, 5.4))) == [(0, "hopeless")]


def test_hopeless_keeps_what_the_fastest_service_can_just_save(engine, arrive):
    assert started(arrive(engine(drop="hopeless"), 5.0, (0, 5.5))) == [0]


def test_hopeless_names_expiry_where_that_is_the_reason(engine, arrive):
    assert dropped(arrive(engine(drop="hopeless"), 5.0, (0, 4.0))) == [(0, "expired")]


def test_hopeless_is_judged_by_the_cores_a_replica_has_now():
    line = Engine(EngineSettings(drop="hopeless"), lambda b, c: b / c, lambda b, c: b / c)
    line.set_replica(0.0, "replica-0", 1.0)
    assert dropped(line.arrive(0.0, Queued(0, 0.0, 0.5))) == [(0, "hopeless")]
    line.set_replica(0.0, "replica-0", 4.0)
    assert started(line.arrive(0.0, Queued(1, 0.0, 0.5))) == [1]


def test_everything_at_the_head_that_is_past_saving_is_dropped_before_a_batch_starts(engine, arrive):
    line = engine(batch_size=2, drop="expired")
    arrive(line, 0.0, (0, 99.0), (1, 0.5), (2, 0.6), (3, 99.0))
    effects = line.finish(1.0, 0)
    assert [type(e) for e in effects] == [Drop, Drop, StartBatch]


def test_under_fifo_what_is_past_saving_in_the_middle_gives_its_place_to_the_next(engine, arrive):
    line = engine(batch_size=2, order="fifo", drop="expired")
    arrive(line, 0.0, (0, 99.0), (1, 99.0), (2, 0.5), (3, 99.0))
    effects = line.finish(1.0, 0)
    assert (dropped(effects), started(effects)) == ([(2, "expired")], [1, 3])


def test_a_line_of_which_everything_is_dropped_leaves_the_replica_free(engine, arrive):
    line = engine(drop="expired")
    arrive(line, 0.0, (0, 99.0), (1, 0.5), (2, 0.5))
    assert started(line.finish(1.0, 0)) == []
    assert started(arrive(line, 1.0, (3, 99.0))) == [3]


def test_a_new_drop_rule_applies_to_those_who_wait(engine, arrive):
    line = engine(drop="never", batch_size=8, close="timeout", timeout_s=60.0)
    arrive(line, 0.0, (0, 0.5))
    assert dropped(line.configure(1.0, EngineSettings(batch_size=8, drop="expired"))) == [(0, "expired")]


def test_every_outcome_is_counted(engine, arrive):
    line = engine(drop="expired")
    arrive(line, 0.0, (0, 99.0), (1, 0.5), (2, 1.5), (3, 99.0), (4, 99.0))
    line.finish(1.0, 0)
    line.finish(2.0, 1)
    line.finish(3.0, 2, ok=False)
    assert line.counts() == Counts(arrived=5, served=2, dropped=1, failed=1, late=1)


def test_an_answer_at_the_deadline_is_not_late(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 1.0))
    line.finish(1.0, 0)
    assert line.counts().late == 0


def test_a_failed_batch_frees_its_replica(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0), (1, 99.0))
    assert started(line.finish(1.0, 0, ok=False)) == [1]


def test_a_failed_batch_is_no_sample_of_service_time(engine, arrive):
    line = engine()
    arrive(line, 0.0, (0, 99.0))
    line.finish(1.0, 0, ok=False)
    assert line.observe(1.0).service == ()
