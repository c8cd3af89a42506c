"""The plan: which request is created when, by whom, how long it is on its way, and when it must be answered."""

from harness.plan.build import PlanPiece, build_plan, describe_traces, stream_plan
from harness.plan.columns import Digest, Plan
from harness.plan.network import sponge_remaining_s
from harness.plan.spec import ArrivalsSpec, ClientsSpec, NetworkSpec, PlanSpec
from harness.plan.summary import PlanSummary

__all__ = [
    "ArrivalsSpec",
    "ClientsSpec",
    "Digest",
    "NetworkSpec",
    "Plan",
    "PlanPiece",
    "PlanSpec",
    "PlanSummary",
    "build_plan",
    "describe_traces",
    "sponge_remaining_s",
    "stream_plan",
]
