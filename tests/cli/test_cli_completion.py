"""Tab completes commands and options, though only the command that is asked for is imported."""

import os
import subprocess
import sys

import pytest


def completed(shell, line, *, word):
    environment = os.environ | {"_TEXTLSTM_COMPLETE": f"complete_{shell}", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    environment["_TYPER_COMPLETE_ARGS"] = line
    code = "from textlstm.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_and_options_are_completed(shell):
    assert "compare" in completed(shell, "textlstm comp", word=1)
    assert "doctor" in completed(shell, "textlstm do", word=1)
    options = completed(shell, "textlstm train --label", word=2)
    assert "--label-column" in options
    assert "--label-names" in options
    assert "--epochs" not in options
