"""Profiles kept on disk, one JSON file per identity."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from harness.cache import cache_dir
from harness.errors import UsageError
from harness.profile.values import PROFILE_VERSION, Profile, identity_key


def profile_path(name: str, identity: Mapping[str, str]) -> Path:
    """Where the profile of this identity is, or would be."""
    return cache_dir() / "profiles" / f"{name}-{identity['backend']}-{identity_key(identity)}.json"


def load_profile(path: Path) -> Profile | None:
    """The profile in this file; None when there is no such file, or it is of another version of this program.

    Raises UsageError when it is not a profile.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Profile.from_json(values) if values["version"] == PROFILE_VERSION else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a profile this program can read ({error}); delete it") from error


def save_profile(profile: Profile) -> Path:
    """Write it whole or not at all; returns the file. Raises UsageError when the folder cannot be written."""
    path = profile_path(profile.name, profile.identity)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(profile.to_json(), indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot write the profile there ({error.strerror})") from error
    return path
