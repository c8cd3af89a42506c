"""The page: what was gathered, put into the template."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.autopsy import by_cause, headline, rescue_rows, smallest_rescue, worst_stretch
from harness.autopsy.causes import CAUSES, cause_times
from harness.autopsy.drawing import COLOURS, draw_stacked
from harness.report.checks import checks
from harness.report.conclusion import conclusion
from harness.report.figures import draw_cost, draw_latency, draw_violations
from harness.report.gather import Gathered, Member, Replayed
from harness.report.numbers import Line, interval, line_of, ms, percent, plain, quantile_of
from harness.report.reproduce import caveats, commands, shared_and_own
from harness.report.svg import Figure, in_page_style, inline_svg
from harness.report.timeline import draw_timeline

SLOWEST = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure on the page. name: unique; caption: what it shows and how to read it; svg: the element."""

    name: str
    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Slow:
    """One of the slowest requests. shares: (cause, per cent of the longest time shown, colour, ms)."""

    id: int
    created: str
    whole: str
    ended: str
    needs: str
    saved_by: str
    shares: tuple[tuple[str, float, str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What the page says of one system: the member that is shown, its figures, violations and slowest requests."""

    member: Member
    why_this: str
    headline: str
    stretch: str
    pictures: tuple[Picture, ...]
    causes: pd.DataFrame
    replayed: Replayed
    rescues: pd.DataFrame
    slowest: tuple[Slow, ...]


def render(run: Gathered, version: str) -> str:
    """The page as text, complete: nothing is fetched when it is opened."""
    lines = [line_of(run, system) for system in run.systems]
    shared, own = shared_and_own(run)
    script = _resource("page.js")
    with in_page_style():
        pictures, parts = overview(run), [part_of(run, member) for member in run.shown()]
    page: str = _template().render(
        run=run, lines=lines, sentences=conclusion(run, lines), pictures=pictures, parts=parts, checks=checks(run),
        commands=commands(run), caveats=caveats(run), shared=shared, own=own, version=version, colours=COLOURS,
        causes=tuple(CAUSES), style=Markup(_resource("page.css")), script=Markup(script),
        quantile_of=quantile_of,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip
    return page


def overview(run: Gathered) -> list[Picture]:
    """The figures over all systems."""
    runs = f"{len(run.seeds)} runs of a system together" if len(run.seeds) > 1 else "one run of each system"
    return [
        picture(
            draw_latency(run), "latency", "Latency",
            f"Share of all planned requests answered within a time, {runs}. Requests that were "
            "dropped or failed are never answered, so a curve may end below 1. With one SLO for all, the axis ends at "
            "three times that at most.",
        ),
        picture(
            draw_violations(run), "violations", "Violations over time",
            f"Requests dropped, failed or answered after their deadline, per cent of those created in each "
            f"{'second' if run.duration_s <= 150 else 'bin'}, {runs}.",
        ),
        picture(
            draw_cost(run), "cost", "Violations against cost",
            "Left and low is better. Granted core-seconds over the duration of the plan"
            + ("; small: each run, large: their mean." if len(run.seeds) > 1 else "."),
        ),
    ]  # fmt: skip


def picture(figure: Figure, name: str, title: str, caption: str) -> Picture:
    """A drawn figure for the page."""
    return Picture(name, title, caption, Markup(inline_svg(figure, name, f"{title}. {caption}")))


def part_of(run: Gathered, member: Member) -> Part:
    """One system in full."""
    replayed = run.replayed.get((member.system, member.seed), Replayed())
    found = member.examined.violations
    place = f"{member.name}"
    pictures = (
        picture(
            draw_timeline(member), f"timeline-{_id(member.system)}", f"What {member.system} saw and did",
            f"{place}. From above: requests arriving, what was left of their SLO then, cores granted, batches, queue, "
            "violations.",
        ),
        picture(
            draw_stacked(member.examined, run.duration_s), f"stacked-{_id(member.system)}",
            f"Where the time of {member.system}'s requests went",
            f"{place}. Mean time per request by cause, against when the request was created; below, violations by "
            "the cause that took most of their time.",
        ),
    )  # fmt: skip
    rescues = pd.DataFrame() if replayed.violated is None else rescue_rows(replayed.violated, replayed.changes)
    return Part(
        member=member, why_this=why_shown(run, member), headline=headline(member.examined),
        stretch=worst_stretch(member.examined), pictures=pictures, causes=by_cause(found), replayed=replayed,
        rescues=rescues, slowest=slowest(member, replayed),
    )  # fmt: skip


def why_shown(run: Gathered, member: Member) -> str:
    """Which of a system's runs is shown in full, and why."""
    mine = run.of(member.system)
    if len(mine) == 1:
        return f"Seed {member.seed}"
    same = len({one.summary.violations for one in mine}) == 1
    why = "all of which have as many violations" if same else "the one with the most violations"
    return f"Shown: seed {member.seed} of {len(mine)} runs, {why}"


def slowest(member: Member, replayed: Replayed) -> tuple[Slow, ...]:
    """The requests that took longest until their answer or refusal, longest first."""
    requests = member.examined.requests.nlargest(SLOWEST, "whole_s")
    if not len(requests):
        return ()
    names = smallest_rescue(replayed.violated, replayed.changes) if replayed.violated is not None else []
    saved = dict(zip(replayed.ids, names, strict=True))
    longest_s = float(requests["whole_s"].max())
    times = cause_times(requests)
    return tuple(
        _slow(row, times.loc[index], longest_s, saved.get(int(row["id"]), "")) for index, row in requests.iterrows()
    )


def _slow(row: pd.Series, times: pd.Series, longest_s: float, saved_by: str) -> Slow:
    shares = tuple(
        (cause, max(100.0 * times[cause] / longest_s, 0.0), COLOURS[cause], ms(times[cause])) for cause in CAUSES
    )
    late = f"{ms(row['lateness_s'])} ms late" if row["violated"] else "in time"
    ended = {"served": late, "dropped": f"dropped ({row['drop_reason']})", "failed": "failed"}[row["status"]]
    needs = ms(row["needed_s"]) if row["status"] == "dropped" else ""
    return Slow(int(row["id"]), f"{row['created_s']:.2f}", ms(row["whole_s"]), ended, needs, saved_by, shares)


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"ms": ms, "plain": plain, "percent": percent, "interval": interval, "word": rate_word}
    return environment.from_string(_resource("page.html.j2"))


def rate_word(line: Line) -> str:
    """How the interval of a line came about."""
    if line.rate.refused or line.violations == 0:
        return ""
    return "over runs" if line.runs > 1 else "within this run"


def _resource(name: str) -> str:
    return files("harness.report").joinpath(name).read_text(encoding="utf-8")


def _id(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text)
