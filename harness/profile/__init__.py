"""The latency profile of a model on this machine: measured through a backend, fitted, kept (docs/models.md)."""

from harness.profile.grid import Grid
from harness.profile.measure import Watch
from harness.profile.obtain import ProfileRequest, obtain_profile
from harness.profile.values import Profile, Sample

__all__ = ["Grid", "Profile", "ProfileRequest", "Sample", "Watch", "obtain_profile"]
