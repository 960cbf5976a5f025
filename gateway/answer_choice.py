"""Whether a version can give the part of an answer that a submit asks for: known from its signature alone."""

from gateway.complaints import Complaints
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
    complaints, problem = Complaints(), "asks for probabilities, which this version does not give"
    if returns == Returns.PROBABILITIES:
        complaints.add("return", problem, "leave it out, or send 'label'")
    if top_k:
        complaints.add("top_k", problem, "leave it out")
    complaints.settle()
