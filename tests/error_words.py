"""What every sentence of an error must be like, for the tables of errors."""

import pytest

from textlstm.cli import main
from textlstm.errors import TextLSTMError


def see(call, *parts, exit_code=2):
    """The sentence names each part, can be shown, ends, and belongs to an error of the input (or of a run)."""
    with pytest.raises(TextLSTMError) as caught:
        call()
    said = str(caught.value)
    assert caught.value.exit_code == exit_code
    assert [part for part in parts if part not in said] == [], said
    assert said.rstrip().endswith((".", "?")) or "\n" in said, said
    assert len(said.split()) >= 6
    assert "Traceback" not in said and " object at 0x" not in said


def see_command(words, parts, monkeypatch, capsys):
    """The command line ends with 2 and a sentence that names each part."""
    monkeypatch.setattr("sys.argv", ["textlstm", *words.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 2, said
    assert [part for part in parts if part not in said] == [], said
