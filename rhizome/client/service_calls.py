"""Calls about the service itself: its health, its versions, and what the holder of the admin key may change."""

from typing import Any, cast

import msgspec

from rhizome.client.errors import NotFound
from rhizome.client.retries import error_of, send, unavailable, within
from rhizome.client.session import Session, path_part, read_as
from rhizome.client.steps import Flow, Lost, Reply, Request, Send


class Health(msgspec.Struct, frozen=True):
    """How the service is.

    Attributes:
        status: `ok`, `degraded` or `unavailable`.
        problems: what is wrong, in words.
        document: everything that the service reports.
    """

    status: str
    problems: tuple[str, ...]
    document: dict[str, Any]


class Version(msgspec.Struct, frozen=True):
    """One trained version.

    Attributes:
        features: the names of its inputs, in order.
        rejected: why workers refused it, if they did.
        document: its whole manifest, lineage included.
    """

    version: str
    is_champion: bool
    created_at: str
    metrics: dict[str, float]
    gate: dict[str, Any]
    rejected: str | None
    features: tuple[str, ...]
    document: dict[str, Any]


class Models(msgspec.Struct, frozen=True):
    """The versions of the model, newest first, and which of them answers."""

    name: str
    champion: str | None
    versions: tuple[Version, ...]
    document: dict[str, Any]


class TrainingRun(msgspec.Struct, frozen=True):
    """A training run of a model that was asked for: `queued`, or `already_queued` by somebody else."""

    run_id: str
    status: str
    model: str = ""


class Promotion(msgspec.Struct, frozen=True):
    """The champion of a model since `promoted_at`, and the one before."""

    version: str
    previous: str | None
    promoted_at: str
    model: str = ""


class ServiceCalls(Session):
    """Calls about the service itself."""

    def health(self) -> Flow[Health]:
        """How the service is, asked once: also one that cannot answer predictions says why.

        Raises:
            Unavailable: it does not answer at all.

        >>> client.health().status in ("ok", "degraded")
        True
        """
        outcome = cast(Reply | Lost, (yield Send(within(Request("GET", "/health"), self._patience()))))
        if isinstance(outcome, Lost):
            raise unavailable(outcome)
        if outcome.status not in (200, 503):
            raise error_of(outcome)
        document = read_as(dict[str, Any], outcome)
        return Health(str(document.get("status", "unavailable")), tuple(document.get("problems", ())), document)

    def models(self) -> Flow[Models]:
        """The versions with their metrics, newest first.

        >>> client.models().name
        'iris'
        """
        document = read_as(dict[str, Any], (yield from send(Request("GET", "/models"), self._patience())))
        versions = tuple(_version_of(version) for version in document.get("versions", ()))
        return Models(document.get("name", ""), document.get("champion"), versions, document)

    def retrain(self, *, force: bool = False) -> Flow[TrainingRun]:
        """Has a version trained, judged, and promoted if it passes; names the queued run if there is one.

        Args:
            force: train though nothing has changed since a version that stands was trained.

        Raises:
            NotAllowed: the admin key is missing or wrong.
        """
        return read_as(TrainingRun, (yield from self._order("/retrain", {"force": "true"} if force else {})))

    def promote(self, version: str) -> Flow[Promotion]:
        """Makes a version that passed its gate the champion.

        Raises:
            Conflict: the gate refused it, or it failed in service before.
            NotFound: there is no such version.
            NotAllowed: the admin key is missing or wrong.
        """
        return read_as(Promotion, (yield from self._order(f"/models/{path_part(version)}/promote")))

    def rollback(self) -> Flow[Promotion]:
        """Puts the previous champion back. Never done twice: a lost answer is an `Unavailable`, look at `models`.

        Raises:
            Conflict: there is no former champion.
            NotAllowed: the admin key is missing or wrong.
        """
        return read_as(Promotion, (yield from self._order("/models/rollback", is_repeatable=False)))

    def _order(self, path: str, params: dict[str, str] | None = None, *, is_repeatable: bool = True) -> Flow[Reply]:
        request = Request("POST", path, params or {}, self._authorization(), is_repeatable=is_repeatable)
        return (yield from send(request, self._patience()))

    def _feature_names(self, version: str | None) -> Flow[tuple[str, ...]]:
        """The features by position: of the champion, or of the version that is asked for."""
        models = yield from self.models()
        wanted = version or models.champion
        for candidate in models.versions:
            if candidate.version == wanted:
                return candidate.features
        raise NotFound(f"there is no version '{wanted}'; models() lists them", code="version_not_found")


def _version_of(document: dict[str, Any]) -> Version:
    features = document.get("signature", {}).get("features", ())
    return Version(
        version=str(document.get("version", "")),
        is_champion=bool(document.get("is_champion")),
        created_at=str(document.get("created_at", "")),
        metrics=document.get("metrics", {}),
        gate=document.get("gate", {}),
        rejected=document.get("rejected"),
        features=tuple(str(feature["name"]) for feature in features),
        document=document,
    )
