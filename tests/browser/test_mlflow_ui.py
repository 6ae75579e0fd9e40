"""MLflow's UI on a runs folder: four methods are found by their tags and compared, from ``bench ui`` on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By
from support.made_up import made_up_store

METHODS = ("abmil", "max_pool", "mean_pool", "transmil")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory):
    """Where ``bench ui`` serves four made-up studies."""
    root = tmp_path_factory.mktemp("ui") / "runs"
    made_up_store(root, methods=METHODS, datasets=("musk1",))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "harness.cli.main", "ui", "--out", str(root), "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        page = process.stdout.readline().rsplit(" ", 1)[1].strip()
        yield f"http://127.0.0.1:{port}", page
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def seen(driver, words, seconds: float = 240.0) -> str:
    """The text of the page once it holds all words."""
    give_up = time.monotonic() + seconds
    text = ""
    while time.monotonic() < give_up:
        with contextlib.suppress(Exception):  # elements that are drawn anew while they are read
            text = driver.find_element(By.TAG_NAME, "body").text
            if all(word in text for word in words):
                return text
        time.sleep(1)
    raise AssertionError(f"{words} not in {text[:3000]}")


def runs_of(address: str) -> dict[str, str]:
    """Method → run of its study."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("musk1")
    found = client.search_runs([experiment.experiment_id], "tags.level = 'study' and tags.protocol = 'cv5x10'")
    return {run.data.tags["method"]: run.info.run_id for run in found} | {"": experiment.experiment_id}


def test_four_methods_are_listed_and_compared(browser, address, tmp_path: Path) -> None:
    server, page = address
    driver = browser.driver
    browser.resize(1600, 1200)
    driver.get(page)
    seen(driver, METHODS)
    shots = Path(os.environ.get("BROWSER_SHOTS", tmp_path))
    driver.save_screenshot(str(shots / "mlflow-studies.png"))

    found = runs_of(server)
    experiment = found.pop("")
    assert sorted(found) == sorted(METHODS)
    query = f"runs={quote(json.dumps(list(found.values())))}&experiments={quote(json.dumps([experiment]))}"
    driver.get("about:blank")  # an address that differs in its fragment only would not be loaded anew
    driver.get(f"{server}/#/compare-runs?{query}")
    seen(driver, ("Comparing 4 Runs from 1 Experiment", "Run details", "auc", *METHODS))
    driver.save_screenshot(str(shots / "mlflow-compare.png"))
    assert (shots / "mlflow-compare.png").stat().st_size > 20_000
