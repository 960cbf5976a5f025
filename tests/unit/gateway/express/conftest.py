"""The gateway as its server calls it, and a worker's side by hand."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.support.dispatched import Dispatched, dispatched


@pytest.fixture
def gateway(app: Flask) -> Iterator[Dispatched]:
    with dispatched(app) as sender:
        yield sender
