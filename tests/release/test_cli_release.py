"""The commands push, pull and demo as they are typed, against a Hub on loopback."""

import json
import os
import subprocess
import sys

import pytest
from hub_server import TOKEN
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from textlstm.cli import app
from textlstm.errors import HubError, RecipeError
from textlstm.release.hub import MESSAGE

# httpx2 deprecates how the Hub's client 2.4 hands it a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO = "someone/tiny"


@pytest.fixture
def own_hub(hub, monkeypatch):
    """The loopback Hub, as HF_ENDPOINT would name it before Python starts; nothing is timed for the card."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr("textlstm.release.bundle.timed_forms", lambda config, folder: {})
    return hub


def run(*words):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def card(hub, revision="main"):
    return ModelCard(hub.files(REPO, revision)["README.md"].decode()).data


def test_push_says_what_it_sent_and_the_options_have_their_effect(own_hub, trained):
    given = ["--no-onnx", "--license", "mit", "--language", "en", "--language", "de"]
    done = run("push", trained, REPO, "--private", "--message", "Mine", *given)
    assert own_hub.repos[REPO].private
    assert own_hub.history(REPO) == ["Mine", "initial commit"]
    assert (card(own_hub).license, card(own_hub).language) == ("mit", ["en", "de"])
    commit = own_hub.repos[REPO].branches["main"][0].oid
    assert f"in one commit: {own_hub.url}/{REPO}/commit/{commit}" in done.stdout
    assert "nothing was changed" in run("push", trained, REPO, *given).stdout
    assert len(own_hub.history(REPO)) == 2


def test_a_branch_and_a_pull_request_are_made_and_fetched_back(own_hub, trained, tmp_path):
    run("push", trained, REPO, "--no-onnx")
    given = ["--no-onnx", "--license", "mit", "--revision", "next", "--json"]
    shown = json.loads(run("push", trained, REPO, *given).stdout)
    assert shown["changed"] and shown["files"].keys() == own_hub.files(REPO, "next").keys() - {".gitattributes"}
    proposed = run("push", trained, REPO, "--no-onnx", "--license", "apache-2.0", "--create-pr")
    assert f"{own_hub.url}/{REPO}/discussions/1" in proposed.stdout
    assert own_hub.history(REPO) == [MESSAGE, "initial commit"]
    assert (card(own_hub).license, card(own_hub, "refs/pr/1").license) == (None, "apache-2.0")
    said = run("pull", REPO, "--out", tmp_path / "next", "--revision", "next")
    assert str(tmp_path / "next") in said.stdout
    assert ModelCard.load(tmp_path / "next" / "README.md").data.license == "mit"
    assert run("pull", REPO, "--out", tmp_path / "main", "--quiet").output == ""
    labels = [run("predict", folder, "--input", "a good film").stdout for folder in (trained, tmp_path / "main")]
    assert labels[0] == labels[1]


def test_what_the_hub_refuses_and_options_without_effect_are_said(own_hub, trained, tmp_path):
    own_hub.fail("POST", "/api/repos/create", 403, times=9)
    refused = CliRunner().invoke(app, ["push", str(trained), REPO, "--no-onnx"])
    assert isinstance(refused.exception, HubError) and "(403)" in str(refused.exception)
    idle = CliRunner().invoke(app, ["push", str(trained), REPO, "--out", str(tmp_path / "x")])
    assert isinstance(idle.exception, RecipeError) and "--out" in str(idle.exception)
    absent = CliRunner().invoke(app, ["pull", "someone/nothing", "--out", str(tmp_path / "x")])
    assert isinstance(absent.exception, HubError) and "has no someone/nothing" in str(absent.exception)
    assert not (tmp_path / "x").exists()


def test_a_server_of_ones_own_as_the_documentation_has_it(hub, trained, tmp_path):
    """HF_ENDPOINT in the environment of a process, no word about Xet: push falls back to plain HTTP and says so."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = kept | {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}

    def command(*words):
        code = "import sys; from textlstm.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done

    said = command("push", trained, REPO, "--no-onnx")
    assert hub.history(REPO) == [MESSAGE, "initial commit"]
    assert "HF_HUB_DISABLE_XET=1" in said.stderr
    command("pull", REPO, "--out", tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_demo_writes_the_page_and_says_what_it_loads(exported, tmp_path):
    out = tmp_path / "page"
    done = run("demo", exported, "--out", out, "--title", "Mine", "--example", "a good film", "--example", "bad")
    first = json.loads((out / "demo.json").read_text("utf-8"))
    assert (first["title"], first["examples"]) == ("Mine", ["a good film", "bad"])
    assert f"{first['first_load']['gzip']:,} bytes with gzip, {first['first_load']['bytes']:,} without" in done.stdout
    for path in out.iterdir():
        assert path.name in done.stdout
    shown = json.loads(run("demo", exported, "--out", tmp_path / "two", "--json").stdout)
    assert shown["folder"] == str(tmp_path / "two")
    assert set(shown["files"]) == {path.name for path in (tmp_path / "two").iterdir()}
