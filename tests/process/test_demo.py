"""The demo, from nothing to search results and a changing catalogue."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_demo_shows_searches_and_delays(tmp_path: Path) -> None:
    environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
    environ |= {"LOOKALIVE_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "ops.cli", "demo", "--once", "--items", "60", "--port", "0"]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=240, check=False)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown + done.stderr.decode()
    assert "60 items searchable after" in shown
    assert re.search(r"the page to search with: http://\S+/\n", shown)
    assert shown.count("which items look like") == 1
    assert "1.000" in shown, "the picture finds itself"
    assert len(re.findall(r"(searchable|gone) after \d+ ms", shown)) == 5
    assert "search it yourself" in shown
