"""What a bug report holds, and above all what it does not."""

import getpass
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from textlstm.experiment import machine
from textlstm.training.torch_state import torch_state

SECRETS = {
    "HF_TOKEN": "hf_planted0secret0token",
    "HF_ENDPOINT": "https://planted-user:planted-word@hub.intern",
    "HTTPS_PROXY": "http://planted-user:planted-word@proxy.intern",
    "TEXTLSTM_DATA_DIR": "/planted/customer",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a telling name, and variables that must not be repeated."""
    place = tmp_path / "ada-lovelace"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    monkeypatch.setenv("TEXTLSTM_CACHE_DIR", str(place / "caches"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place)
    return place


def told(facts, problems):
    return machine.format_facts(facts, problems)


def test_versions_and_machine_are_told(home):
    facts, _ = machine.examine()
    assert facts["textlstm"]["version"] == version("textlstm")
    assert facts["libraries"]["torch"] == version("torch")
    assert facts["libraries"]["huggingface_hub"] == version("huggingface_hub")
    assert facts["machine"]["processors"].startswith(f"{machine.available_threads()} of ")
    assert facts["torch"]["oneDNN"] in ("yes", "no")
    assert set(facts["extras"]) == {"onnx", "serve", "ray", "tune", "inspect"}


def test_nothing_names_the_user_or_repeats_a_secret(home):
    words = told(*machine.examine())
    assert "~/caches" in words
    for secret in (*SECRETS.values(), "planted", "ada-lovelace", str(home), os.uname().nodename):
        assert secret not in words
    assert "HF_ENDPOINT" in words


def test_a_path_outside_the_home_folder_loses_the_name_alone(home):
    assert machine.masked(Path("/scratch/ada/hub")) == "/scratch/USER/hub"
    assert machine.masked(Path("/scratch/adam/hub")) == "/scratch/adam/hub"
    assert machine.masked(home / "x") == "~/x"


def test_a_user_without_a_name_is_no_reason_to_fail(home, monkeypatch):
    def nameless():
        raise KeyError("no name for this number")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert machine.masked(Path("/scratch/hub")) == "/scratch/hub"


def test_an_old_library_and_an_absent_one_are_problems_with_a_mend(home, monkeypatch):
    real = machine._version
    monkeypatch.setattr(
        machine,
        "_version",
        lambda name: (
            {"transformers": "4.40.0", "altair": None, "ray": None}.get(name, real(name))
            if name in ("transformers", "altair", "ray")
            else real(name)
        ),
    )
    facts, problems = machine.examine()
    old = next(problem for problem in problems if problem.startswith("transformers"))
    assert "and is 4.40.0; pip install --upgrade 'transformers>=" in old
    assert any(problem.startswith("altair is not installed") for problem in problems)
    assert facts["extras"]["ray"] == "without ray"
    assert not any("ray" in problem for problem in problems)  # an extra that nobody asked for is no fault
    assert told(facts, problems).endswith("\n".join(f"- {problem}" for problem in problems))


def test_too_little_memory_and_disk_are_problems(home, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 100 * 2**20)
    monkeypatch.setattr(machine, "LEAST_DISK", 2**62)
    _, problems = machine.examine()
    assert any(problem.startswith("One training needs about 0.7 GiB") for problem in problems)
    assert any("are free in this folder" in problem for problem in problems)


def test_a_folder_that_may_not_be_written_is_a_problem(home, monkeypatch):
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    facts, problems = machine.examine()
    assert facts["folders"]["this folder"].startswith("not writable")
    assert any(problem.startswith("Nothing can be written to this folder") for problem in problems)


def test_a_torch_that_does_not_load_is_told_and_the_rest_too(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "textlstm.training.torch_state", None)
    facts, problems = machine.examine()
    assert facts["torch"] == {"loads": "no"}
    assert any(problem.startswith("torch cannot be loaded") for problem in problems)


def test_more_threads_than_processors_are_a_problem():
    _, problems = torch_state(0)
    assert any("where 0 processors may be used" in problem for problem in problems)


def test_a_system_that_tells_little_is_no_reason_to_fail(home, monkeypatch):
    read = Path.read_text

    def reticent(self, *arguments, **options):
        if str(self).startswith(("/proc", "/sys")):
            raise FileNotFoundError(self)
        return read(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", reticent)
    facts, _ = machine.examine()
    assert facts["machine"]["container or job limit"] == "none seen"
    assert facts["machine"]["memory free for us"] == "not told by the system"
    assert machine._version("no-such-package") is None


@pytest.mark.parametrize(
    ("words", "told"), [("max\n", "none seen"), ("1073741824\n", "1.0 GiB"), (f"{2**63}\n", "none seen")]
)
def test_the_limit_of_a_container_is_told(home, monkeypatch, words, told):
    read = Path.read_text

    def contained(self, *arguments, **options):
        return words if str(self).startswith("/sys/fs/cgroup/memory") else read(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", contained)
    assert machine.examine()[0]["machine"]["container or job limit"] == told
