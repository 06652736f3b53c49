"""What an installation brings along: pinned to the last package, of licenses that let it be used, from plain names."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {name for name in PROJECT["optional-dependencies"] if name not in ("bench", "dev", "docs")}
# Licenses whose only demands are notices and, for MPL-2.0, that changes of these very files are published.
PERMISSIVE = re.compile(
    r"apache|\bmit\b|bsd|isc|psf|python software foundation|cnri-python|zlib|cc0|boost|bsl-1\.0|hpnd|ncsa|unlicense"
)
BY_FILE = {"certifi", "tqdm"}
"""Under MPL-2.0; named in SECURITY.md."""
OF_CUDA = ("cuda-", "nvidia-", "triton")
"""Beginnings of what torch's builds for NVIDIA's processors bring along, pinned by torch itself; in SECURITY.md too."""
RESTRICTED = re.compile(r"\b[al]?gpl|general public|affero|commercial|proprietary|sspl|busl|business source|cc-by-nc")


def pins():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def needed():
    """Packages that the core and the extras for users bring along, as far as they are installed here."""
    found, waiting = {}, [Requirement(line) for line in PROJECT["dependencies"]]
    for name in sorted(EXTRAS):
        waiting += [Requirement(line) for line in PROJECT["optional-dependencies"][name]]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        elsewhere = wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})
        if name in found or elsewhere or name.startswith(("textlstm", *OF_CUDA)):
            continue
        try:
            about = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = about
        waiting += [Requirement(line) for line in about.requires or []]
    return found


def license_of(about):
    """What a package says of its license: the expression, else its classifiers, else the first line of the text."""
    words = about.metadata.get("License-Expression")
    classifiers = [one.rpartition(" :: ")[2] for one in about.metadata.get_all("Classifier", []) if "License ::" in one]
    plain = (about.metadata.get("License") or "").strip().splitlines()
    return (words or "; ".join(classifiers) or (plain[0] if plain else "")).lower()


FOUND = needed()


def test_enough_of_them_are_here_to_be_looked_at():
    assert {"torch", "transformers", "numpy", "pyarrow", "tokenizers", "safetensors", "jinja2", "pyyaml"} <= set(FOUND)


def test_dependencies_are_under_licenses_that_let_them_be_used():
    said = {name: license_of(about) for name, about in FOUND.items()}
    assert {name: words for name, words in said.items() if RESTRICTED.search(words)} == {}
    assert {name: words for name, words in said.items() if not PERMISSIVE.search(words) and name not in BY_FILE} == {}
    assert {name for name, words in said.items() if "mpl" in words or "mozilla" in words} == BY_FILE & set(FOUND)


def test_a_pin_is_one_plain_version():
    """No addresses, paths, local builds or ranges: what is installed is what the index has under that name."""
    assert [line for line in pins() if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)] == []


def test_all_that_is_installed_for_users_is_pinned_at_what_the_project_asks_for():
    versions = {canonicalize_name(line.partition("==")[0]): Version(line.partition("==")[2]) for line in pins()}
    assert len(versions) == len(pins())
    assert sorted(set(FOUND) - set(versions) - {"setuptools"}) == []  # which comes with Python's environments
    for part in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        for wanted in map(Requirement, part):
            name = canonicalize_name(wanted.name)
            assert name == "textlstm" or (name in versions and wanted.specifier.contains(versions[name])), wanted
            assert wanted.url is None


def test_the_page_on_security_names_what_is_not_permissive():
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    assert all(name in page for name in {*BY_FILE, "NVIDIA"})
