"""What was measured on this machine and is kept on disk, one JSON file per identity: profiles and their like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.profile.values import PROFILE_VERSION, Profile, identity_key

Kept = TypeVar("Kept")


def kept_path(folder: str, name: str, identity: Mapping[str, str]) -> Path:
    """Where what was measured of this identity is, or would be. folder: below the cache's."""
    return cache_dir() / folder / f"{name}-{identity['backend']}-{identity_key(identity)}.json"


def load_kept(path: Path, what: str, version: int, made: Callable[[Mapping[str, Any]], Kept]) -> Kept | None:
    """What `made` makes of the file; None when there is no such file, or its `version` is another one.

    Raises UsageError when `made` can make nothing of it. what: for people, as in "profile".
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return made(values) if values["version"] == version else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a {what} this program can read ({error}); delete it") from error


def keep(path: Path, what: str, values: Mapping[str, Any]) -> Path:
    """Write it whole or not at all; returns the file. Raises UsageError when the folder cannot be written."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot write the {what} there ({error.strerror})") from error
    return path


def profile_path(name: str, identity: Mapping[str, str]) -> Path:
    """Where the profile of this identity is, or would be."""
    return kept_path("profiles", name, identity)


def load_profile(path: Path) -> Profile | None:
    """The profile in this file; None when there is none of this version. Raises UsageError when it is not a profile."""
    return load_kept(path, "profile", PROFILE_VERSION, Profile.from_json)


def save_profile(profile: Profile) -> Path:
    """Keep it; returns the file. Raises UsageError when the folder cannot be written."""
    return keep(profile_path(profile.name, profile.identity), "profile", profile.to_json())
