"""Pages in headless Chromium."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=5000 --hide-scrollbars "
    "--allow-file-access-from-files --dump-dom --window-size=1366,900 --enable-logging=stderr"
).split()
needs_chromium = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"needs {CHROMIUM} (apt-get install chromium)")


def dump(url: str, profile: Path, scheme: str = "light") -> str:
    """The page as Chromium has it in the end, which had nothing to say on its console. `profile`: a folder for
    Chromium's own files. `scheme`: what the reader prefers, light or dark."""
    preferred = f"--blink-settings=preferredColorScheme={['dark', 'light'].index(scheme)}"
    command = [CHROMIUM, *FLAGS, preferred, f"--user-data-dir={profile}", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def probed(url: str, profile: Path, scheme: str = "light") -> Any:
    """What a script in the page has written to <pre id="probe"> as JSON."""
    return json.loads(unescape(re.search(r'<pre id="probe">(.*?)</pre>', dump(url, profile, scheme), re.S)[1]))
