"""Whether a version can give the part of an answer that a submit asks for: known from its signature alone."""

from rhizome.errors import InvalidRequest
from rhizome.jobs import Returns
from rhizome.signature import Signature


def check_choice(signature: Signature, returns: str, top_k: int) -> None:
    """Refuses `return` and `top_k` where they ask for probabilities that do not exist.

    Args:
        signature: of the version that is to answer.
        returns: a `Returns`.
        top_k: how many classes; 0 for all.

    Raises:
        InvalidRequest: with code `invalid_fields`, naming the options at fault.
    """
    if signature.has_probabilities:
        return
    remedies = {}
    if returns == Returns.PROBABILITIES:
        remedies["return"] = "leave it out, or send 'label'"
    if top_k:
        remedies["top_k"] = "leave it out"
    if remedies:
        problem = "asks for probabilities, which this version does not give"
        raise InvalidRequest(
            f"{len(remedies)} problem(s) with the request's fields",
            code="invalid_fields",
            problems=tuple({"field": name, "problem": problem, "remedy": remedy} for name, remedy in remedies.items()),
        )
