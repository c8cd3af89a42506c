"""The conclusion: three sentences computed from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.report.gather import Gathered
from harness.report.numbers import Line, interval, line_of, percent
from harness.results.folders import some_of
from harness.results.provenance import trace_note
from harness.stats.paired import ALPHA, difference, holm, runs_needed, sign_flip_p

Pairs = tuple[list[float], list[float]]


def conclusion(run: Gathered, lines: Sequence[Line]) -> list[str]:
    """Who violated how much; what it cost; how far these numbers can be trusted."""
    usable = [line for line in lines if line.valid]
    if not usable:
        return [
            f"No run of {run.scenario['name']} here is valid, so there is nothing to conclude.",
            _invalid(run),
            "The numbers below are shown to find out what went wrong, and must not be compared.",
        ]
    fair = on_common_seeds(run, [line.system for line in usable])
    if fair is None:
        each = [f"{line.system} violated {percent(line.violations / line.planned)} of its requests" for line in usable]
        return [
            f"No seed of {run.scenario['name']} is valid for all systems, so they cannot be compared.",
            f"Each on seeds of its own: {_list(each)}.",
            _sentence(_invalid(run) or f"did not end: {some_of(run.unfinished)}"),
        ]
    if fair is not run:
        usable = [line_of(fair, line.system) for line in usable]
    return [_violations(fair, usable), _cost(usable), _trust(run, fair, usable)]


def on_common_seeds(run: Gathered, systems: Sequence[str]) -> Gathered | None:
    """The run on the seeds that are valid for all these systems, as it is where they are the same; None where there is
    no such seed."""
    seeds = [{member.seed for member in run.of(system)} for system in systems]
    common = set.intersection(*seeds)
    if not common:
        return None
    if all(mine == common for mine in seeds):
        return run
    kept = (m for m in run.valid if m.system in systems and m.seed in common)
    return replace(run, members=tuple(kept))


def _violations(run: Gathered, lines: Sequence[Line]) -> str:
    place = "in the twin (simulated)" if run.is_simulated else f"on the {run.facts['backend']['backend']} backend"
    runs = _seeds(run)
    many = _among([line.planned for line in lines])
    none = [line.system for line in lines if not line.violations]
    some = sorted((line for line in lines if line.violations), key=lambda line: line.rate.value)
    parts = [f"{_list(none)} violated no deadline"] if none else []
    parts += [
        f"{line.system} violated {line.violations:,} ({percent(line.violations / line.planned)})" for line in some
    ]
    return f"Over {runs} of {run.scenario['name']} {place}, of {many} requests per system, {_list(parts)}."


def _cost(lines: Sequence[Line]) -> str:
    first, *others = lines
    text = f"{first.system} was granted {first.granted_core_s:,.1f} core-seconds per run"
    ratios = [
        f"{first.granted_core_s / other.granted_core_s:.2f} times the {other.granted_core_s:,.1f} of {other.system}"
        for other in sorted(others, key=lambda line: line.granted_core_s)
        if other.granted_core_s > 0
    ]
    return f"{text}, {_list(ratios)}." if ratios else f"{text}."


def _trust(run: Gathered, fair: Gathered, lines: Sequence[Line]) -> str:
    count = len(run.members)
    whole = {1: "the run is valid", 2: "both runs are valid"}
    parts = [_uncertainty(fair, lines), _invalid(run) or whole.get(count, f"all {count} runs are valid")]
    if run.unfinished:
        parts.append(f"{len(run.unfinished)} that were asked for did not end ({some_of(run.unfinished)})")
    if fair is not run:
        parts.append(f"these sentences are of the {_seeds(fair)} valid for all systems")
    if run.is_simulated:
        parts.append("these are simulations, not measurements")
    parts.append(trace_note(member.manifest for member in run.members))
    return _sentence("; ".join(filter(None, parts)))


def _uncertainty(run: Gathered, lines: Sequence[Line]) -> str:
    first, *others = lines
    pairs = min(line.runs for line in lines)
    if pairs == 1:
        within = f" ({first.system}: {interval(first.rate)} within the run)" if np.isfinite(first.rate.low) else ""
        return f"there is one run per system, so nothing says how far another would differ{within}"
    if not others:
        return f"the interval of its violation rate over {pairs} runs is {interval(first.rate)}"
    compared = {line.system: _paired_rates(run, first.system, line.system) for line in others}
    return _largest_gap(first.system, compared)


def _largest_gap(ours: str, compared: Mapping[str, Pairs]) -> str:
    """The system furthest from ours, its p corrected for all it was chosen from (Holm)."""
    pairs = min(len(rates) for rates, _ in compared.values())
    needed = runs_needed(len(compared), ALPHA)
    if pairs < needed or not needed:
        return (
            f"with {pairs} runs per system no test can tell systems apart at the 5 % level "
            f"({f'{needed} are needed' if needed else 'no number would do for so many'}), "
            "so these are differences between runs, not yet between systems"
        )
    gaps = [difference(*rates) for rates in compared.values()]
    at = max(range(len(gaps)), key=lambda k: abs(gaps[k].value))
    gap, p = gaps[at], holm([sign_flip_p(*rates) for rates in compared.values()])[at]
    many = len(compared)
    corrected = f", corrected for {many} comparisons (Holm)" if many > 1 else ""
    alone = "95 % interval, of this comparison alone," if many > 1 else "95 % interval"
    return (
        f"over {gap.n} paired runs the violation rate of {ours} less that of {list(compared)[at]} is "
        f"{100 * gap.value:+.2f} points ({alone} {100 * gap.low:+.2f} to {100 * gap.high:+.2f}; sign-flip test, "
        f"p = {p:.3g}{corrected})"
    )


def _paired_rates(run: Gathered, ours: str, theirs: str) -> Pairs:
    one, other = ({m.seed: m.summary.violation_rate for m in run.of(system)} for system in (ours, theirs))
    seeds = sorted(one.keys() & other.keys())
    return [one[seed] for seed in seeds], [other[seed] for seed in seeds]


def _invalid(run: Gathered) -> str:
    bad = [member for member in run.members if not member.summary.valid]
    if not bad:
        return ""
    reasons = "; ".join(f"{m.name}: {', '.join(m.summary.invalid_reasons) or 'no reason given'}" for m in bad[:3])
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    share = "left out of these sentences and of the table" if run.valid else "all of them"
    return f"{len(bad)} of {len(run.members)} runs are invalid, {share} ({reasons}{more})"


def _seeds(run: Gathered) -> str:
    return f"{len(run.seeds)} seeds" if len(run.seeds) > 1 else f"seed {run.seeds[0]}"


def _among(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _list(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
