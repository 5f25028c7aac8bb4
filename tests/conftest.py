"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent

# Before a library reads them: no test depends on the network, on earlier downloads, on a server that a user has, or on
# how wide a terminal is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="codebudget-tests-")
# The key that says which stores are one's own.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="codebudget-tests-")
for variable in ("HF_HUB_CACHE", "HF_TOKEN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEBUDGET_KEY_FILE", "COLUMNS"):
    os.environ.pop(variable, None)


# What `make check` leaves out, by measurement: what starts the command, many boxes, an engine or a browser.
SLOW = (
    *("budgets/test_torch_", "cli/", "compression/test_quantise", "contracts/test_demo", "contracts/test_docs"),
    *(
        "contracts/test_image",
        "contracts/test_wheel",
        "experiment/study/test_run",
        "leaderboard/",
        "models/",
        "rankers/check/",
    ),
    *("cluster/", "rankers/test_registry", "sampler/engines/"),
    *("compression/test_outliers", "compression/test_components", "experiment/test_diverging"),
    *("sampler/test_drawing", "sampler/test_hostile_texts", "sampler/test_store", "sandbox/test_attacks"),
    *("sandbox/test_launchers", "sandbox/test_lifecycle", "sandbox/test_sandbox", "tasks/test_nano"),
)
# And what stays of these: it calls what it tests in pytest's own process.
NOT_SLOW = (*("cli/test_catalogue_commands", "cli/test_plan_command", "leaderboard/test_board_file"),)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by where it stands."""
    for item in items:
        place = item.path.relative_to(ROOT / "tests").as_posix()
        if place.startswith(SLOW) and not place.startswith(NOT_SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure() -> None:
    """Remove the empty cache and the key."""
    for variable in ("HF_HOME", "XDG_STATE_HOME"):
        shutil.rmtree(os.environ[variable], ignore_errors=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real model outputs that lie beside the checkout; tests that need them skip where they are not there."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs ../shared/data beside the checkout")
    return data


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; tests that need one skip where it is not installed."""
    from playwright import sync_api as playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium on the PATH (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        # As root, as in a container, Chromium has no sandbox of its own to set up.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit(NamedTuple):
    """A page that was opened, what it asked for, and what went wrong on it."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens an HTML file and waits until it is drawn; further arguments are those of a browser's context."""
    contexts = []

    def open_(file: Path, hash_: str = "", **options: object) -> Visit:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        visit = Visit(page, [], [])
        page.on("request", lambda request: visit.requests.append(request.url))
        page.on("console", lambda message: visit.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (visit.complaints.append(dialog.message), dialog.dismiss()))
        page.goto(file.as_uri() + hash_)
        page.wait_for_selector("html[data-drawn]", timeout=120_000)
        return visit

    yield open_
    for context in contexts:
        context.close()
