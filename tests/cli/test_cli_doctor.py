"""`textlstm doctor` as a reporter uses it."""

import json

from textlstm.cli_doctor import doctor


def test_the_same_facts_as_words_and_as_json(capsys):
    doctor(as_json=True)
    facts = json.loads(capsys.readouterr().out)
    doctor()
    words = capsys.readouterr().out
    assert facts.pop("problems") == [] or "Problems" in words
    for section, rows in facts.items():
        assert f"\n{section}\n" in f"\n{words}"
        assert all(name in words for name in rows)
    assert words.startswith("textlstm\n  version")
