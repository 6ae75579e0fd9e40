"""A headless Chromium that looks at a site; no part of the ordinary tests, see CONTRIBUTING."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support.made_up import made_up_store

from harness.leaderboard_site.build import Site, build

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--disable-dev-shm-usage",
)  # fmt: skip


class Browser:
    """The driver, and what the page did behind it."""

    def __init__(self, driver: webdriver.Chrome, site: Site) -> None:
        self.driver = driver
        self.site = site

    def open(self, page: str) -> webdriver.Chrome:
        """Open a page of the site from the disk."""
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get((self.site.folder / page).as_uri())
        return self.driver

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last page was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def complaints(self) -> list[dict[str, Any]]:
        """What stands in the console since the last page was opened."""
        return self.driver.get_log("browser")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a width, also one that is smaller than a window can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="session")
def board_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Five methods on two datasets."""
    methods = ("abmil", "dre_slcl", "max_pool", "mean_pool", "transmil")
    store = made_up_store(
        tmp_path_factory.mktemp("made_up") / "runs", methods=methods, datasets=("camelyon16-mini", "colon-nuclei")
    )
    return build([store], tmp_path_factory.mktemp("site"), title="Board")


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium = next((path for name in NAMES if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    assert chromium and driver, "the browser tests need Chromium (or Chrome) and chromedriver on the path"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    yield made
    made.quit()


@pytest.fixture
def browser(_driver: webdriver.Chrome, board_site: Site) -> Browser:
    """The browser, 1280 pixels wide and light."""
    found = Browser(_driver, board_site)
    found.resize(1280)
    found.prefer("light")
    return found


@pytest.fixture(scope="session")
def pages(board_site: Site) -> list[str]:
    """All pages of the site."""
    found = [path.relative_to(board_site.folder).as_posix() for path in Path(board_site.folder).rglob("*.html")]
    assert len(found) == 1 + 2 + 10
    return sorted(found)
