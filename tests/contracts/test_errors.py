"""Error names and codes are part of the surface: renaming one breaks somebody's client."""

import inspect
from typing import Any

from gateway.problems import STATUS_OF_CODE
from rhizome import errors
from rhizome.errors import ArtifactError, InvalidRequest, RegistryError, RhizomeError
from worker import failures, quarantine
from worker.outcomes import ROW_FAILED, error_of

CODES = {
    "RhizomeError": "internal_error",
    "SettingsError": "bad_settings",
    "StartupError": "cannot_start",
    "InvalidRequest": "invalid_request",
    "RowsFailed": "rows_failed",
    "LaneFull": "lane_full",
    "DeadlineUnmeetable": "deadline_unmeetable",
    "WebhookNotFound": "webhook_not_found",
    "WebhooksSwitchedOff": "webhooks_switched_off",
    "WebhooksFull": "webhooks_full",
    "JobNotFound": "job_not_found",
    "JobExpired": "job_expired",
    "IdempotencyConflict": "idempotency_conflict",
    "JobFinished": "job_finished",
    "JobCancelled": "job_cancelled",
    "AnswerOverdue": "answer_overdue",
    "AnswerUnavailable": "answer_unavailable",
    "TooManyWaiters": "too_many_waiters",
    "StorageFull": "storage_full",
    "BlobStoreFull": "file_store_full",
    "BlobStoreUnavailable": "file_store_unavailable",
    "BlobNotFound": "rows_gone",
    "RowsIncomplete": "rows_incomplete",
    "ExportNotReady": "export_not_ready",
    "NotAcceptable": "not_acceptable",
    "RangeNotSatisfiable": "range_not_satisfiable",
    "QueueUnavailable": "queue_unavailable",
    "DatasetError": "bad_dataset",
    "ArtifactError": "artifact_unusable",
    "ArtifactMissing": "artifact_missing",
    "ArtifactTampered": "artifact_tampered",
    "SelfTestFailed": "self_test_failed",
    "RegistryError": "registry_error",
    "ModelNotFound": "model_not_found",
    "VersionNotFound": "version_not_found",
    "NoChampion": "no_champion",
    "ChampionMoved": "champion_moved",
    "PromotionRefused": "promotion_refused",
}
STATUSES = {
    "malformed_json": 400,
    "empty_body": 400,
    "bad_parameter": 400,
    "admin_key_required": 401,
    "admin_switched_off": 403,
    "job_not_found": 404,
    "model_not_found": 404,
    "version_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "champion_moved": 409,
    "promotion_refused": 409,
    "job_expired": 410,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_fields": 422,
    "invalid_request": 422,
    "invalid_file": 422,
    "not_acceptable": 406,
    "rows_incomplete": 409,
    "rows_gone": 410,
    "range_not_satisfiable": 416,
    "file_store_unavailable": 503,
    "export_not_ready": 409,
    "rows_failed": 422,
    "lane_full": 429,
    "deadline_unmeetable": 429,
    "webhook_not_found": 404,
    "webhooks_switched_off": 403,
    "webhooks_full": 429,
    "internal_error": 500,
    "no_champion": 503,
    "idempotency_conflict": 409,
    "job_finished": 409,
    "job_cancelled": 409,
    "answer_overdue": 504,
    "answer_unavailable": 503,
    "too_many_waiters": 503,
    "storage_full": 503,
    "file_store_full": 503,
    "queue_unavailable": 503,
}


def error_classes() -> dict[str, type[RhizomeError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, RhizomeError) and kind.__module__ == errors.__name__
    }


def test_every_error_keeps_its_name_and_code() -> None:
    assert {name: kind.code for name, kind in error_classes().items()} == CODES


def test_no_two_errors_share_a_code() -> None:
    assert len(set(CODES.values())) == len(CODES)


def test_every_code_keeps_its_status() -> None:
    assert STATUSES.items() <= STATUS_OF_CODE.items()


def test_the_tree_in_the_modules_docstring_is_the_hierarchy() -> None:
    tree = errors.__doc__ or ""

    assert [name for name in CODES if f" {name}" not in tree] == []
    assert {kind.__name__ for kind in ArtifactError.__subclasses__()} >= {"ArtifactTampered", "SelfTestFailed"}
    assert {kind.__name__ for kind in RegistryError.__subclasses__()} >= {"VersionNotFound", "NoChampion"}


def test_an_invalid_requests_own_code_does_not_change_its_class() -> None:
    error = InvalidRequest("detail", code="empty_body")

    assert (error.code, InvalidRequest.code) == ("empty_body", "invalid_request")


def test_the_errors_in_results_keep_their_codes() -> None:
    written: list[dict[str, Any]] = [
        ROW_FAILED,
        failures.GAVE_UP,
        failures.VERSION_UNAVAILABLE,
        failures.BROKEN_PAYLOAD,
        failures.UNSOUND,
        failures.OUT_OF_MEMORY,
        error_of(quarantine.CODE, "the reason"),
    ]

    assert [error["code"] for error in written] == [
        "scoring_failed",
        "gave_up",
        "version_unavailable",
        "unreadable_payload",
        "estimator_unsound",
        "out_of_memory",
        "quarantined",
    ]
    assert all(set(error) == {"code", "detail"} for error in written)
