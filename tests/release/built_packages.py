"""Wheel and sdist as hatchling builds them in an environment of its own, and commands that see nothing of this tree."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HIDDEN = ("PYTHONPATH", "TEXTLSTM_DATA_DIR", "VIRTUAL_ENV")


def run(*words, cwd, timeout=1800, **variables):
    """What a command printed; it must end well."""
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=environment | variables,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout


def build(place):
    """The wheel and the sdist of this tree, below a folder."""
    venv.create(place / "env", with_pip=True)
    python = place / "env/bin/python"
    wanted = "hatchling>=1.25"
    got = subprocess.run([python, "-m", "pip", "install", "-q", wanted], capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip("hatchling cannot be had here")
    run(python, "-m", "hatchling", "build", "-d", place / "dist", cwd=ROOT)
    (wheel,), (sdist,) = (place / "dist").glob("*.whl"), (place / "dist").glob("*.tar.gz")
    return wheel, sdist
