"""Shell scripts pass shellcheck, wherever they are."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_shellcheck_finds_nothing():
    listed = subprocess.run(["git", "ls-files", "*.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    scripts = sorted({*listed.stdout.split(), "deploy/postgres/init-roles.sh"})
    command = [Path(sys.executable).with_name("shellcheck"), "--severity=style", *scripts]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
