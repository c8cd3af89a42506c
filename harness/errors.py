"""Errors a person can act on: each names the place, the value and the rule, and carries the exit code.

Exit codes: 0 ok, 1 harness failure, 2 usage, 3 check failed, 4 run invalid.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 24  # an error is one line to be read, not a catalogue


class BenchError(Exception):
    """Something failed in the harness or below it (engine, container, process). Exit code 1."""

    exit_code = 1


class UsageError(BenchError):
    """The user's input cannot be used: a file, a key, a value or a name. Exit code 2."""

    exit_code = 2


class CheckError(BenchError):
    """A check the user asked for did not pass. Exit code 3."""

    exit_code = 3


class RunInvalid(BenchError):
    """A run ended but its numbers must not be used. Exit code 4."""

    exit_code = 4


class Interrupted(BenchError):
    """The user stopped it. Exit code 130, as shells have it."""

    exit_code = 130


def bad_value(place: str, name: str, value: object, rule: str) -> UsageError:
    """The house form of an error about one value: `place: name = value; rule`."""
    return UsageError(f"{place}: {name} = {value!r}; {rule}")


def unknown_name(place: str, kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An unknown name, with the nearest known one or the list (its beginning, when it is long) when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    more = f", ... ({len(names)} in all)" if len(names) > MOST_NAMES else ""
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names[:MOST_NAMES])}{more}"
    return UsageError(f"{place}: unknown {kind} {name!r}; {hint}")
