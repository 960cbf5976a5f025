"""A TCP proxy between processes and their server, with the faults of real networks."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

BLOCK_BYTES = 64 * 1024
START_SECONDS = 10.0
#: Closed with what is unsent thrown away, so that the other side sees a reset, not an end.
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes everything on to `target`, until it is told otherwise.

    Args:
        target: host and port of the server.
        host: where it listens.
    """

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        self._target = target
        self._socket = socket.create_server((host, 0), backlog=512)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._is_up = threading.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_refusing = False
        self._delay_seconds = 0.0
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        self._thread.start()
        assert self._is_up.wait(START_SECONDS), "the proxy did not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_SECONDS)

    def reset(self) -> None:
        """Every connection ends with a reset; new ones are welcome."""
        self._do(self._reset)

    def hold(self) -> None:
        """A black hole: nothing comes through, and nobody is told."""
        self._do(self._flowing.clear)

    def release(self) -> None:
        """What was held comes after all, as TCP has it."""
        self._do(self._flowing.set)

    def forget(self) -> None:
        """The present connections lead nowhere any more, as where a firewall lost its state; new ones do."""
        self._do(lambda: self._forgotten.update(*self._links))

    def refuse(self, refusing: bool) -> None:
        """Whether connections are reset at once, present and new."""
        self._is_refusing = refusing
        if refusing:
            self.reset()

    def delay(self, seconds: float) -> None:
        """Every block is so late, in each direction."""
        self._delay_seconds = seconds

    def _do(self, action: Callable[[], Any]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(START_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._link, sock=self._socket))
        self._loop.call_soon(self._is_up.set)
        self._loop.run_forever()
        server.close()
        self._reset()
        self._loop.run_until_complete(_cancel_all(self._loop))
        self._loop.close()

    def _reset(self) -> None:
        for link in list(self._links):
            for writer in link:
                _abort(writer)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            _abort(writer)
            return
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):
            _abort(writer)
            return
        self._links.add((writer, back))
        pumps: list[Coroutine[Any, Any, None]] = [self._pump(reader, back), self._pump(there, writer)]
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*pumps)
        self._links.discard((writer, back))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, to its end; then the other side's end."""
        with suppress(OSError):
            while block := await reader.read(BLOCK_BYTES):
                await self._flowing.wait()
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if writer not in self._forgotten:
                    writer.write(block)
                    await writer.drain()
        self._forgotten.discard(writer)
        writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
