"""What pip installs is whole: wheel and sdist hold recipes, templates and pages, and work away from the checkout."""

import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from built_packages import ROOT, build, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The wheel in a fresh environment, which borrows the dependencies of this one and none of its textlstm."""
    place = tmp_path_factory.mktemp("elsewhere")
    venv.create(place / "env", with_pip=True)
    (own,) = (place / "env/lib").glob("python*/site-packages")
    (own / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"])  # comes behind what is installed here
    run(place / "env/bin/python", "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", built[0], cwd=place)
    return place


def test_the_wheel_holds_every_file_of_the_package_and_the_recipes(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    listed = run("git", "ls-files", "textlstm", cwd=ROOT).split() if (ROOT / ".git").exists() else []
    assert set(listed) <= names
    recipes = {path.relative_to(ROOT / "recipes") for path in (ROOT / "recipes").rglob("*.yaml")}
    assert len(recipes) > 20
    assert {f"textlstm/_recipes/{path}" for path in recipes} <= names
    assert any(name.endswith(".html.j2") for name in names)
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in names)


def test_the_sdist_holds_what_a_packager_builds_and_tests_from(built):
    names = {name.partition("/")[2] for name in tarfile.open(built[1]).getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "recipes/quickstart.yaml",
        "tests/conftest.py",
        "docs/index.md",
        "textlstm/cli.py",
    } <= names
    size = built[1].stat().st_size
    assert size < 4 * 2**20


def test_the_sdist_installs_to_the_files_of_the_wheel(built, tmp_path):
    """Records of where a file came from name the archive, and are left out."""
    found = []
    for place, archive in zip(("wheel", "sdist"), built, strict=True):
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place, archive, cwd=tmp_path)
        paths = [path for path in (tmp_path / place).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        named = {path.relative_to(tmp_path / place).as_posix(): path.read_bytes() for path in paths}
        found.append({name: content for name, content in named.items() if not name.endswith(("RECORD", "_url.json"))})
    wheel, sdist = found
    assert wheel == sdist
    assert "textlstm/cli.py" in wheel and "textlstm/_recipes/quickstart.yaml" in wheel


def test_the_installed_command_works_away_from_the_checkout(installed):
    command = installed / "env/bin/textlstm"
    home = run(installed / "env/bin/python", "-c", "import textlstm; print(textlstm.__file__)", cwd=installed).strip()
    assert Path(home).is_relative_to(installed)
    assert "compare" in run(command, "--help", cwd=installed)
    assert "quickstart" in run(command, "recipes", "list", cwd=installed)
    assert "source: pydocs" in run(command, "recipes", "show", "quickstart", cwd=installed)
    assert "labels" in run(command, "check", "pydocs", cwd=installed, HF_HUB_OFFLINE="1")
    code = "from jinja2 import Environment, PackageLoader as L;"
    code += " [print(n, len(Environment(loader=L(p)).list_templates())) for n, p in"
    code += " (('analysis', 'textlstm.analysis'), ('release', 'textlstm.release'))]"
    assert " 0" not in run(installed / "env/bin/python", "-c", code, cwd=installed)
