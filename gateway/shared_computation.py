"""One computation for all who ask for it at the same time: what is dear must not be done once for each of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SharedComputation(Generic[Value]):
    """Who asks while it is under way waits for its end, and no longer; then all have the same value, or its error.

    Args:
        compute: what is shared; runs in the thread of whoever asks first.
        keep_seconds: for how long a value is given to those who ask later; an error is not kept.
    """

    def __init__(self, compute: Callable[[], Value], keep_seconds: float = 0.0) -> None:
        self._compute = compute
        self._keep_seconds = keep_seconds
        self._under_way: Future[Value] | None = None
        self._kept: tuple[float, Value] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Value:
        """The value; raises what `compute` raises."""
        with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] < self._keep_seconds:
                return self._kept[1]
            future, is_first = self._under_way, self._under_way is None
            if future is None:
                future = self._under_way = Future()
        if is_first:
            self._run(future)
        return future.result()

    def forget(self) -> None:
        """What is kept is no longer true."""
        with self._lock:
            self._kept = None

    def _run(self, future: "Future[Value]") -> None:
        kept = None
        try:
            value = self._compute()
            kept = (time.monotonic(), value)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            with self._lock:
                self._kept, self._under_way = kept, None
