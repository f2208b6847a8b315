"""The browser that the tests drive: one that this machine has, else one that can be installed.

`python -m tests.build.browser` installs one where it must and prints which it is. Where none can be had it says so and
ends with 0, or with 1 under `CI=true`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APT = ("apt-get", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30", "-qq")
PACKAGES = ("chromium", "fonts-liberation")  # without any font a page has no text to measure
PLAYWRIGHT = ("playwright", "install", "chromium", "--only-shell")
LONGEST = 600  # seconds for one installing command
MISSING = "no browser here, and none could be installed"


class NotToBeHad(Exception):
    """Why one way to a browser is closed."""


@cache
def browser_path() -> str | None:
    """The executable of a browser that this machine has and that runs; nothing is installed."""
    return on_path() or of_playwright()


def on_path() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name)) and runs(path)), None)


def of_playwright() -> str | None:
    """The executable of the browser that Playwright has downloaded before, for the release in use."""
    try:
        plan = output(*PLAYWRIGHT, "--dry-run")
    except NotToBeHad:
        return None
    places = [Path(place) for place in re.findall(r"Install location:\s+(\S.*)", plan)]
    shells = (str(shell) for place in places for shell in sorted(place.glob("*/*headless*shell")))
    return next((shell for shell in shells if runs(shell)), None)


def runs(path: str) -> bool:
    """Whether it starts: a distribution's stub for another package does not, nor one whose libraries are missing."""
    try:
        return bool(output(path, "--version"))
    except NotToBeHad:
        return False


def install() -> str:
    """Debian's package where root may install it, else Playwright's download; raises NotToBeHad with both reasons."""
    reasons = []
    for way in (install_package, download):
        try:
            return way()
        except NotToBeHad as closed:
            reasons.append(str(closed))
    raise NotToBeHad("; ".join(reasons))


def install_package() -> str:
    if not shutil.which("apt-get"):
        raise NotToBeHad("apt-get is not here")
    if os.geteuid() != 0:
        raise NotToBeHad("apt-get needs root")
    print("Browser: installing Debian's chromium", flush=True)
    output(*APT, "update")
    output(*APT, "install", "-y", "--no-install-recommends", *PACKAGES, DEBIAN_FRONTEND="noninteractive")
    return on_path() or refused("Debian's chromium does not start")


def download() -> str:
    print(f"Browser: {' '.join(PLAYWRIGHT)}", flush=True)
    output(*PLAYWRIGHT)
    return of_playwright() or refused("what Playwright downloaded does not start")


def refused(reason: str) -> str:
    raise NotToBeHad(reason)


def output(*command: str, **environment: str) -> str:
    """What the command prints; raises NotToBeHad with its first error when it is missing, fails or hangs."""
    try:
        ran = subprocess.run(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(str(error)) from error
    if ran.returncode:
        complaint = re.search(r"^(?:E:|Error).*", ran.stderr + ran.stdout, re.MULTILINE)
        raise NotToBeHad(f"{command[0]} ended with {ran.returncode}{f', {complaint[0]}' if complaint else ''}")
    return ran.stdout


def main() -> int:
    try:
        print(f"Browser: {browser_path() or install()}")
    except NotToBeHad as closed:
        print(f"Browser: {MISSING} ({closed})")
        needed = os.environ.get("CI") == "true"
        print("CI=true: that is a failure" if needed else "Browser: its tests are skipped, everything else runs")
        return int(needed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
