"""The part of the health report that is about webhooks. None of it keeps a prediction from being answered."""

from typing import Any

from rhizome.heartbeats import Heartbeat
from rhizome.webhooks.ledger import Ledger

ROLE = "webhooks"


def report_webhooks(ledger: Ledger, living: list[Heartbeat]) -> tuple[dict[str, Any], list[str]]:
    """How full the outbox is, and what an operator should know of it."""
    depth = ledger.depth()
    deliverers = [process for process in living if process.role == ROLE]
    problems = []
    if depth.due and not any(deliverer.state == "serving" for deliverer in deliverers):
        problems.append(f"{depth.due} webhook events are due and no deliverer can send them: {_cause(deliverers)}")
    return depth._asdict() | {"deliverers": len(deliverers)}, problems


def _cause(deliverers: list[Heartbeat]) -> str:
    return "RHIZOME_WEBHOOK_SECRET is not set where they run" if deliverers else "none lives"
