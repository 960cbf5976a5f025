"""The webhook that a submit asks for: whether it can be had, and what the job's record then holds of it."""

from gateway.options import JobOptions
from gateway.service import Service
from gateway.tracing import read_trace_id
from rhizome.errors import WebhooksSwitchedOff
from rhizome.webhooks.events import record_fields
from rhizome.webhooks.targets import parse_target


def webhook_record(here: Service, options: JobOptions) -> dict[str, str]:
    """Fields of the job's record; none where no webhook is asked for.

    Raises:
        WebhooksSwitchedOff: there is no secret to sign with.
        InvalidRequest: the URL cannot be a receiver.
        WebhooksFull: too many events wait already.
    """
    if not options.webhook:
        return {}
    settings = here.settings
    if settings.webhook_secret is None:
        raise WebhooksSwitchedOff(
            "this deployment has no secret that signs webhooks; set RHIZOME_WEBHOOK_SECRET, or submit without 'webhook'"
        )
    target = parse_target(options.webhook, settings.webhook_allowances)
    here.webhooks.check_room(target)
    return record_fields(target.url, options.webhook_events, read_trace_id())
