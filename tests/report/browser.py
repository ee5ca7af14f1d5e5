"""A headless Chromium, and axe-core, which finds what keeps people from using a page."""

import os
import shutil
import subprocess
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HERE = Path(__file__).parent
FETCHED = HERE.parents[1] / "build" / "report"  # where npm puts what package-lock.json pins
PINNED = ("package.json", "package-lock.json")


def start():
    """Debian's Chromium; what it logs is kept for `get_log`."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_script_timeout(300)  # seconds; axe-core takes five on a machine with nothing else to do
    return driver


def axe_source():
    """The text of axe-core, fetched by npm unless the same version was before; an exception tells why it cannot be."""
    source = FETCHED / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists() or any((FETCHED / name).read_bytes() != (HERE / name).read_bytes() for name in PINNED):
        FETCHED.mkdir(parents=True, exist_ok=True)
        for name in PINNED:
            shutil.copy(HERE / name, FETCHED / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FETCHED, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm could not fetch axe-core: {done.stderr}")
    return source.read_text(encoding="utf-8")
