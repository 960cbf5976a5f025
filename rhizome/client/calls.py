"""All calls of a client in one class, and how a call that is made of steps becomes a method that people can read."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from rhizome.client.batch_calls import BatchCalls

F = TypeVar("F", bound=Callable[..., Any])


class Calls(BatchCalls):
    """Every call, as a generator of steps."""


def present(call: Callable[..., Any], method: F, shape: Any = None) -> F:
    """Gives a method the name, the documentation and the signature of its call.

    Args:
        call: a function that returns a flow or a feed.
        method: what runs it.
        shape: what the method wraps the call's outcome into, if anything.
    """
    method.__name__, method.__doc__ = call.__name__, call.__doc__
    signature = inspect.signature(call)
    outcome = _outcome_of(signature.return_annotation)
    presented = signature.replace(return_annotation=outcome if shape is None else shape[outcome])
    method.__signature__ = presented  # type: ignore[attr-defined]
    return method


def _outcome_of(flow: Any) -> Any:
    """`T` of `Flow[T]` and of `Feed[T]`."""
    steps, _, returned = get_args(flow)
    emitted = [part for part in get_args(steps) if get_args(part)]
    return get_args(emitted[0])[0] if emitted else returned
