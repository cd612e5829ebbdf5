"""The reference pages say what the program says now."""

import subprocess
import sys

from docs_pages import ROOT


def generate(*arguments):
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_reference_is_up_to_date():
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_argument_is_refused():
    assert generate("--chek").returncode == 2
