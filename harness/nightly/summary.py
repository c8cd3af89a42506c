"""What a night found, in lines, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.nightly.judge import Change, Comparison, Kind
from harness.nightly.matrix import Margin
from harness.nightly.numbers import JUDGED

HEADS = {
    "regression": "REGRESSION",
    "improved": "IMPROVED",
    "moved": "moved",
    "rounding": "rounding only",
    "noise": "within noise",
}


@dataclass(frozen=True, slots=True)
class Night:
    """All a night found. skipped: cells that were not run, and why. luck: the same system on other seeds.
    nondeterministic: where the same system on the same seeds was not the same. real: the real run in words, and its
    comparison when there was one. notes: whatever else should be known."""

    name: str
    facts: Mapping[str, Any]
    margins: tuple[Margin, ...]
    twin: Comparison
    luck: tuple[Change, ...] = ()
    nondeterministic: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    real: Comparison | None = None
    real_said: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the night is a failed check."""
        return self.twin.failed or bool(self.nondeterministic) or bool(self.real and self.real.failed)

    @property
    def moved(self) -> list[Change]:
        """What differs from the reference and is no regression."""
        return [*self.twin.of("improved"), *self.twin.of("moved")]

    def verdict(self) -> str:
        """The night in one line, with how many scenarios are not in it."""
        many = len(self.skipped)
        return self._found() + (f"; {many} scenario{'s' * (many > 1)} skipped" if many else "")

    def _found(self) -> str:
        worse = [*self.twin.of("regression"), *(self.real.of("regression") if self.real else [])]
        if worse:
            return f"{len(worse)} regression{'s' * (len(worse) > 1)}: " + "; ".join(map(headline, worse[:3]))
        if self.nondeterministic:
            return f"the twin is not deterministic: {self.nondeterministic[0]}"
        unlike = [*self.twin.unlike, *(self.real.unlike if self.real else [])]
        if unlike:
            return f"{len(unlike)} cannot be compared, the first: {unlike[0]}; if this is meant: make reference"
        if self.moved:
            systems = {(change.scenario, change.system) for change in self.moved}
            return f"no regression, but {len(systems)} systems moved; if this is meant: make reference REASON=..."
        return f"all {len(self.twin.same)} systems exactly as in the reference"


def headline(change: Change) -> str:
    """`core-4g sponge violation_rate 0.00% -> 1.20%`."""
    return f"{change.scenario} {change.system} {change.metric} {shown(change, change.before)} -> " + shown(
        change, change.after
    )


def line(change: Change) -> str:
    """A change in full, as one line."""
    parts = [f"{difference(change, change.effect)}"]
    if change.lost:
        parts.append(f"no value any more on {change.lost} seed{'s' * (change.lost != 1)}")
    if math.isfinite(change.allowed) and change.seeds:
        parts.append(f"margin {difference(change, change.allowed)}")
    if change.noise:
        parts.append(f"same twice {difference(change, change.noise)}")
    parts.append(interval(change))
    return f"{HEADS[change.kind]} {headline(change)} ({'; '.join(parts)})"


def interval(change: Change) -> str:
    """The 95 % interval of the effect over seeds."""
    if math.isnan(change.low):
        return f"no interval from {change.seeds} seed{'s' * (change.seeds != 1)}"
    low, high = difference(change, change.low), difference(change, change.high)
    return f"95 % over seeds {low} to {high}, n = {change.seeds} seeds"


def shown(change: Change, value: float) -> str:
    """A value of the change's metric."""
    if change.metric == "violated_sha256":
        return f"other requests on {value:.0%} of the seeds"
    return "none" if math.isnan(value) else JUDGED[change.metric].show(value) if _is_judged(change) else f"{value:.10g}"


def difference(change: Change, value: float) -> str:
    """A difference in the change's metric."""
    if change.metric == "violated_sha256" or math.isnan(value):
        return "-"
    return JUDGED[change.metric].change(value) if _is_judged(change) else f"{value:+.6g}"


def _is_judged(change: Change) -> bool:
    return change.metric in JUDGED


def lines(night: Night) -> Iterator[str]:
    """What a terminal shows: what is wrong in full, what moved by its judged metrics, the rest as counts."""
    for kind in ("regression", "improved", "moved", "noise"):
        for change in _of(night, kind):
            if _is_judged(change):
                yield line(change)
    minor = [change for change in _of(night, "moved") if not _is_judged(change)]
    if minor:
        yield f"moved also: {len(minor)} numbers that have no margin (summary.md lists them)"
    if rounding := _of(night, "rounding"):
        yield f"rounding only: {len(rounding)} numbers differ by less than one part in 10^9"
    for text in night.twin.unlike:
        yield f"CANNOT BE COMPARED {text}"
    for text in night.nondeterministic:
        yield f"NOT DETERMINISTIC {text}"
    for scenario in dict.fromkeys(scenario for scenario, _ in night.twin.fresh):
        names = [system for place, system in night.twin.fresh if place == scenario]
        yield f"new {scenario}: no reference yet for {len(names)} systems: {', '.join(names)}"
    for text in night.skipped:
        yield f"SKIPPED {text}"
    yield from night.real_said
    yield from night.notes
    for change in night.luck:
        yield (
            f"luck with seeds: {change.scenario} {change.system} {change.metric} {shown(change, change.before)} on the "
            f"reference's seeds, {shown(change, change.after)} on {change.seeds} others "
            f"({difference(change, change.effect)}; {interval(change)})"
        )


def _of(night: Night, kind: Kind) -> list[Change]:
    return [*night.twin.of(kind), *(night.real.of(kind) if night.real else [])]


def markdown(night: Night) -> str:
    """The summary as Markdown."""
    facts = [f"- {key}: {value}" for key, value in night.facts.items()]
    margins = [f"- {m.metric}: {m.text()}" for m in night.margins]
    said = [f"- {text}" for text in lines(night) if not text.startswith(tuple(HEADS.values()))]
    parts = [
        f"# {night.name}: {'FAILED' if night.failed else 'passed'}",
        night.verdict(),
        "## What moved",
        table(list(night.twin.changes) + list(night.real.changes if night.real else ())),
        "## Else",
        *said,
        "## Margins\nA worsening beyond these is a regression. Before and after are means over the seeds.",
        *margins,
        "## Circumstances",
        *facts,
    ]
    return "\n".join(_spaced(parts)) + "\n"


def _spaced(parts: Sequence[str]) -> Iterator[str]:
    """A blank line around everything that is not an item of a list."""
    for before, part in zip(("", *parts), parts, strict=False):
        if before and not (before.startswith("- ") and part.startswith("- ")):
            yield ""
        yield part


def table(changes: Sequence[Change]) -> str:
    """The changes as a Markdown table, regressions first."""
    if not changes:
        return "Nothing: every number is exactly that of the reference."
    order = list(HEADS)
    rows = [
        f"| {HEADS[c.kind]} | {c.scenario} | {c.system} | {c.metric} | {shown(c, c.before)} | {shown(c, c.after)} | "
        f"{difference(c, c.effect)} | {interval(c)} | {difference(c, c.allowed) if c.allowed == c.allowed else '-'} |"
        for c in sorted(changes, key=lambda c: (order.index(c.kind), c.scenario, c.system))
    ]
    head = "| | scenario | system | metric | before | after | effect | interval | margin |\n|" + "---|" * 9
    return "\n".join([head, *rows])


def as_json(night: Night) -> str:
    """The summary for programs; what is not a number is null."""
    data = {**asdict(night), "failed": night.failed, "verdict": night.verdict()}
    return json.dumps(_plain(data), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
