"""A token in the environment is in no file that a command leaves, and in nothing that it says, whatever goes wrong."""

import csv
import json
import os
import subprocess
import sys

import pytest

TOKEN = "hf_" + "Z" * 34
SECRETS = {
    "HF_TOKEN": TOKEN,
    "WANDB_API_KEY": "w" * 40,
    "AWS_SECRET_ACCESS_KEY": "aws" * 12,
    "MY_PASSWORD": "open-sesame",
}
TINY = ["--hidden", "4", "--epochs", "1", "--batch-size", "8", "--threads", "1", "--set", "model.embedding_size=4"]
TINY += ["--set", "tokenizer.min_frequency=1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((f"film {row} is {word}", word) for row in range(12) for word in ("good", "bad"))
    (folder / "broken.csv").write_text('text,label\n"never closed,good\n')
    return folder


COMMANDS = {
    "a run": (["train", "data.csv", "--out", "model", *TINY], 0),
    "a traceback": (["train", "broken.csv", "--out", "other", "--debug"], 1),
    "a push": (["push", "none", "someone/model"], 2),
    "a Hub that cannot be reached": (["predict", "someone/absent", "--input", "film", "--debug"], 1),
}
"""By name, a command's words and its exit code."""

RUN_ALL = """
import json, sys
from textlstm.cli import main
for name, words in json.loads(sys.argv[1]).items():
    sys.argv, code = ["textlstm", *words], 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stderr.flush()
    print(f"\\nENDED {name}: {code}", flush=True)
"""


@pytest.fixture(scope="module")
def said(place):
    """What each command said and how it ended, in one process that has the secrets from its start."""
    environment = {**os.environ, **SECRETS, "HF_HUB_OFFLINE": "1"}
    words = json.dumps({name: words for name, (words, _) in COMMANDS.items()})
    done = subprocess.run([sys.executable, "-c", RUN_ALL, words], cwd=place, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)  # fmt: skip
    found, rest = {}, done.stdout
    for name in COMMANDS:
        heard, _, rest = rest.partition(f"\nENDED {name}: ")
        code, _, rest = rest.partition("\n")
        found[name] = int(code or -1), heard
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_no_secret_is_said_or_written(place, said, name):
    ended, said = said[name]
    assert ended == COMMANDS[name][1], said
    for name, secret in SECRETS.items():
        assert secret not in said, name
        for path in place.rglob("*"):
            assert path.is_dir() or secret.encode() not in path.read_bytes(), (name, path)
