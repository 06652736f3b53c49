"""A token in the environment is in no file that a command leaves, and in nothing that it says, whatever goes wrong."""

import csv
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


def run(place, *words):
    environment = {**os.environ, **SECRETS, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", "from textlstm.cli import main; main()", *words], cwd=place,
                          env=environment, capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "data.csv", "--out", "model", *TINY], 0),
        (["train", "broken.csv", "--out", "other", "--debug"], 1),
        (["push", "none", "someone/model"], 2),
        (["predict", "someone/absent", "--input", "film", "--debug"], 1),
    ],
    ids=["a run", "a traceback", "a push", "a Hub that cannot be reached"],
)
def test_no_secret_is_said_or_written(place, words, code):
    ended, said = run(place, *words)
    assert ended == code, said
    for name, secret in SECRETS.items():
        assert secret not in said, name
        for path in place.rglob("*"):
            assert path.is_dir() or secret.encode() not in path.read_bytes(), (name, path)
