"""What the package says where it can't be imported."""

from __future__ import annotations

import subprocess
import sys


def test_without_numpy() -> None:
    done = subprocess.run([sys.executable, "-c", "import sys; sys.modules['numpy'] = None; import upg"], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: upg needs NumPy, which isn't installed: pip install numpy"
