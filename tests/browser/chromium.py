"""Find Chromium. `python -m tests.browser.chromium` installs Debian's if it may, and prints a message if it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "NO BROWSER TESTS: there is no Chromium. Install it (Debian: apt-get install chromium), or name it in BROWSER_PATH."
)


def path() -> str | None:
    """The browser's program, or None."""
    named = os.environ.get("BROWSER_PATH")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


def install() -> bool:
    """Debian's Chromium, for root on a machine that has apt."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    update = subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
    get = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"]
    return update.returncode == 0 and subprocess.run(get, check=False, **quiet).returncode == 0


if __name__ == "__main__":
    if not (path() or (install() and path())):
        print(MISSING)
