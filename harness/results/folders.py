"""Where the runs of a results folder are, and what their manifests say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UsageError

NEEDED = ("scenario", "system", "seed", "start", "counts", "send_lag", "valid", "invalid_reasons")


def run_folders(run: Path) -> list[Path]:
    """The folders of one run, one per system and seed. Raises UsageError when there are none."""
    folders = sorted(path.parent for path in run.glob("*/seed-*/manifest.json"))
    if not folders:
        raise UsageError(f"{run}: holds no run; expected <system>/seed-<k>/manifest.json below it")
    return folders


def finished_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run that ended. Raises UsageError when there is none, it is no JSON, or the run did not end."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if missing := [key for key in NEEDED if key not in manifest]:
        state = manifest.get("state", "unknown")
        raise UsageError(f"{path}: has no {', '.join(missing)} (state {state!r}); the run did not end")
    return manifest
