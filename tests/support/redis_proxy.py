"""A TCP proxy before Redis, which holds answers up or cuts connections in the middle of one."""

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

BLOCK_BYTES = 65536


class Cut(Exception):
    """The connection ends here."""


class RedisProxy:
    """Passes everything on, answers as `treat` has them.

    Args:
        url: of the server behind it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._upstream = (parts.hostname or "", parts.port or 0)
        self._socket = socket.create_server(("127.0.0.1", 0))
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{self._socket.getsockname()[1]}"))
        self._flows = threading.Event()
        self._flows.set()
        #: What becomes of a piece of an answer; may wait, and may raise `Cut` with what is still to be sent.
        self.treat: Callable[[bytes], bytes] = lambda piece: piece
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def hold(self) -> None:
        """No answer comes any more."""
        self._flows.clear()

    def release(self) -> None:
        """Those that were held up come now."""
        self._flows.set()

    def cut_after(self, count: int) -> None:
        """The next answer ends after so many bytes, and its connection with it."""

        def treat(piece: bytes) -> bytes:
            self.treat = lambda whole: whole
            raise Cut(piece[:count])

        self.treat = treat

    def misbehave(self, seed: int, late_seconds: float) -> None:
        """One answer in ten is late, one in ten breaks off."""
        chance = random.Random(seed)
        never = threading.Event()

        def treat(piece: bytes) -> bytes:
            drawn = chance.random()
            if drawn < 0.1:
                never.wait(late_seconds)
            elif drawn < 0.2:
                raise Cut(piece[: len(piece) // 2])
            return piece

        self.treat = treat

    def close(self) -> None:
        self.release()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for opened in self._open:
            _end(opened)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            self._open += [client, server]
            for target, arguments in ((self._ask, (client, server)), (self._answer, (server, client))):
                thread = threading.Thread(target=target, args=arguments)
                self._threads.append(thread)
                thread.start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(BLOCK_BYTES):
                server.sendall(piece)
        _end(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(BLOCK_BYTES):
                self._flows.wait()
                try:
                    client.sendall(self.treat(piece))
                except Cut as cut:
                    client.sendall(cut.args[0])
                    break
        _end(client)
        _end(server)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
