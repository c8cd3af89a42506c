"""What decides whether a run may be believed, each check with the number and its bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.gather import Gathered, Member
from harness.report.numbers import ms
from harness.results.folders import some_of
from harness.results.provenance import generated_traces, trace_note
from harness.types import BY_NAME


@dataclass(frozen=True, slots=True)
class Check:
    """ok: True passed, False failed, None to be judged by the reader. found and bound: in words."""

    what: str
    ok: bool | None
    found: str
    bound: str


def checks(run: Gathered) -> list[Check]:
    """Of the whole run; a check on every member names those that fail it."""
    return [
        _complete(run),
        _each(run, "every planned request has an outcome", "planned = served + dropped + failed", _counted),
        _each(run, "the load generator kept its schedule", "send lag p99 at most its bound", _kept_schedule),
        _same_plan(run),
        _each(run, "every run is valid", "no reason against it", _valid),
        _code(run),
        _traces(run),
        _unmeetable(run),
        *_host(run),
    ]


def _complete(run: Gathered) -> Check:
    found = f"{len(run.unfinished)} did not: {some_of(run.unfinished)}" if run.unfinished else "all did"
    return Check("every run that was asked for ended", not run.unfinished, found, "none is missing")


def _counted(member: Member) -> tuple[bool, str]:
    counts = member.manifest["counts"]
    ended = sum(counts[name] for name in ("served", "dropped", "failed"))
    return ended == counts["planned"], f"{ended:,} of {counts['planned']:,}"


def _kept_schedule(member: Member) -> tuple[bool, str]:
    lag_s, bound_s = member.summary.send_lag_p99_s, member.manifest["scenario"]["validity"]["send_lag_p99_s"]
    return lag_s <= bound_s, f"{ms(lag_s, 2)} ms (bound {ms(bound_s, 2)} ms)"


def _valid(member: Member) -> tuple[bool, str]:
    return member.summary.valid, "; ".join(member.summary.invalid_reasons)


def _each(run: Gathered, what: str, bound: str, of: Any) -> Check:
    found = [(member, *of(member)) for member in run.members]
    bad = [f"{member.name}: {text}" for member, ok, text in found if not ok]
    if bad:
        return Check(what, False, "; ".join(bad), bound)
    worst = max(found, key=lambda one: one[0].summary.send_lag_p99_s)
    example = f"; {worst[2]} in {worst[0].name}" if worst[2] else ""
    return Check(what, True, f"all {len(found)} runs{example}", bound)


def _same_plan(run: Gathered) -> Check:
    plans = {(m.seed, m.manifest.get("plan_sha256", "unknown")) for m in run.members}
    found = ", ".join(f"seed {seed}: {sha[:12]}" for seed, sha in sorted(plans))
    return Check("all systems replayed the same plan", len(plans) == len(run.seeds), found, "one plan per seed")


def _code(run: Gathered) -> Check:
    commits = {(str(m.manifest.get("git_commit") or "unknown")[:12], m.manifest.get("git_dirty")) for m in run.members}
    found = ", ".join(f"{commit}{' with uncommitted changes' if dirty else ''}" for commit, dirty in sorted(commits))
    ok = False if len(commits) > 1 else None if any(dirty for _, dirty in commits) else True
    return Check("the code is one commit", ok, found, "one commit, nothing changed")


def _traces(run: Gathered) -> Check:
    traces = run.facts.get("traces", [])
    made = generated_traces(run.facts)
    names = ", ".join(t["name"] for t in traces) or "none used"
    ok = None if made and set(made.values()) == {BY_NAME} else not made
    return Check("traces are measured data", ok, trace_note([run.facts]) or names, "none stands in for a measured one")


def _unmeetable(run: Gathered) -> Check:
    plans = {member.seed: member.manifest.get("plan", {}) for member in run.members}
    found = ", ".join(f"seed {seed}: {_unmeetable_of(plan)}" for seed, plan in plans.items())
    rule = "every system violates them; what comes after the end of the run is not counted"
    return Check("requests that no server could have met", None, found, rule)


def _unmeetable_of(plan: Mapping[str, Any]) -> str:
    never = plan.get("never_arrived", 0)
    after = f", {never} of them after the end" if never else ""
    return f"{plan.get('unmeetable', 0)} of {plan.get('created', 0)}{after}"


def _host(run: Gathered) -> list[Check]:
    loads = [m.manifest.get("load", {}) for m in run.members]
    if not all(loads):
        return []
    busiest = max(run.members, key=lambda member: member.summary.other_cores)
    stolen = max(float(load["host_load"].get("stolen_cores", 0.0)) for load in loads)
    cores = run.facts["host"]["cores"]
    found = f"at most {busiest.summary.other_cores:.2f} of {cores} cores ({busiest.name}), {stolen:.2f} stolen"
    return [Check("work of the host besides serving", None, found, "generator, gateway and harness need some")]
