"""Whether a version can give the part of an answer that a submit asks for: known from its signature alone."""

from rhizome.errors import InvalidRequest
from rhizome.jobs import Returns
from rhizome.signature import Signature


def check_choice(signature: Signature, returns: str, top_k: int) -> None:
    """Refuses `return` and `top_k` where they cannot mean anything.

    Args:
        signature: of the version that is to answer.
        returns: a `Returns`.
        top_k: how many classes; 0 for all.

    Raises:
        InvalidRequest: with code `invalid_fields`, naming the options at fault.
    """
    if returns == Returns.BOTH and not top_k:
        return
    problems = []
    if not signature.has_probabilities:
        problem = "asks for probabilities, which this version does not give"
        if returns == Returns.PROBABILITIES:
            problems.append(_problem("return", problem, "leave it out, or send 'label'"))
        if top_k:
            problems.append(_problem("top_k", problem, "leave it out"))
    elif top_k and returns == Returns.LABEL:
        remedy = "leave it out, or send 'both' or 'probabilities' as 'return'"
        problems.append(_problem("top_k", "orders probabilities, which 'return' leaves out", remedy))
    if problems:
        raise InvalidRequest(
            f"{len(problems)} problem(s) with the request's fields", code="invalid_fields", problems=tuple(problems)
        )


def _problem(field: str, problem: str, remedy: str) -> dict[str, object]:
    return {"field": field, "problem": problem, "remedy": remedy}
