"""The documentation page in a real browser: it renders from local files alone, and "try it out" works."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MS = 20_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("no Chromium on this machine; CI installs one", allow_module_level=True)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("browser")).start()
    yield running
    running.stop()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1280, "height": 1400})
        browser.close()


def test_the_page_loads_everything_from_the_service_itself(service: Service, page: Page) -> None:
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    page.goto(f"{service.http.base_url}/docs")
    page.wait_for_selector("#operations-jobs-predict", timeout=WAIT_MS)

    own = str(service.http.base_url)
    assert [url for url in requested if not url.startswith((own, "data:", "blob:"))] == []
    assert complaints == []


def test_a_prediction_can_be_tried_out(service: Service, page: Page, tmp_path: Path) -> None:
    page.goto(f"{service.http.base_url}/docs")
    page.click("#operations-jobs-predict .opblock-summary", timeout=WAIT_MS)
    page.fill("#operations-jobs-predict tr[data-param-name=wait] input", "10")

    page.click("#operations-jobs-predict .execute", timeout=WAIT_MS)
    answer = page.wait_for_selector("#operations-jobs-predict .live-responses-table .response-col_description pre")

    page.screenshot(path=tmp_path / "docs.png", full_page=True)
    assert answer is not None
    assert '"status": "succeeded"' in answer.inner_text()
    assert '"label": "versicolor"' in answer.inner_text()
