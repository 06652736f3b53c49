"""What pip installs is whole: wheel and sdist hold recipes, templates and pages, and work away from the checkout."""

import os
import subprocess
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*words, cwd, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TEXTLSTM_DATA_DIR")}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False, env=environment | variables
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and sdist, built by hatchling in an environment that holds nothing else."""
    place = tmp_path_factory.mktemp("build")
    venv.create(place / "env", with_pip=True)
    python = place / "env/bin/python"
    wanted = "hatchling>=1.25"
    got = subprocess.run([python, "-m", "pip", "install", "-q", wanted], capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip("hatchling cannot be had here")
    run(python, "-m", "hatchling", "build", "-d", place / "dist", cwd=ROOT)
    (wheel,), (sdist,) = (place / "dist").glob("*.whl"), (place / "dist").glob("*.tar.gz")
    return wheel, sdist


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
