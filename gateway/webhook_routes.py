"""What became of a job's webhook, and once more, please."""

import logging

from flask import Blueprint, Response, g

from gateway.documents import encode
from gateway.service import Service, service
from gateway.webhook_documents import log_document
from rhizome.errors import WebhookNotFound

JSON = "application/json"

blueprint = Blueprint("webhooks", __name__)
log = logging.getLogger(__name__)


@blueprint.get("/result/<job_id>/webhook")
def webhook(job_id: str) -> Response:
    """Every delivery of a job, and the last attempts."""
    here = service()
    deliveries, attempts = here.webhooks.read(job_id)
    if not deliveries:
        _check_webhook(here, job_id)
    return Response(log_document(job_id, deliveries, attempts), 200, content_type=JSON)


@blueprint.post("/result/<job_id>/webhook/redeliver")
def redeliver(job_id: str) -> Response:
    """Sends the job's last event again, under the same id; one that is still being tried goes on as it is."""
    here = service()
    delivery_id = here.webhooks.redeliver(job_id)
    if delivery_id is None:
        _check_webhook(here, job_id)
        raise WebhookNotFound("this job's webhook has had nothing to tell yet; ask again when the job is final")
    log.info("webhook_requested_again", extra={"delivery_id": delivery_id, "request_id": g.request_id})
    where = f"/result/{job_id}/webhook"
    response = Response(encode({"id": delivery_id, "urls": {"webhook": where}}), 202, content_type=JSON)
    response.headers["Location"] = where
    return response


def _check_webhook(here: Service, job_id: str) -> None:
    """Raises: JobNotFound, JobExpired; or WebhookNotFound where the job was submitted without one."""
    if "webhook" not in here.submissions.read(job_id).facts:
        raise WebhookNotFound("this job was submitted without a webhook")
