"""The quick tests pass outside of the checkout: those of the sdist, on the wheel, on the oldest and the newest Python.

Each Python takes the installation of all dependencies and then as long as `make test`.
"""

import shutil
import subprocess
import tarfile
import tomllib

import pytest
from built_packages import ROOT, build, run

pytestmark = pytest.mark.slow
NAMED = "Programming Language :: Python :: 3."
MINORS = sorted(
    int(line.removeprefix(NAMED))
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    if line.startswith(NAMED)
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("build"))


@pytest.mark.parametrize("minor", [MINORS[0], MINORS[-1]])
def test_the_quick_tests_pass_on_what_was_built(built, minor, tmp_path):
    python = shutil.which(f"python3.{minor}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"Python 3.{minor} is not here")
    wheel, sdist = built
    run(python, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    own = tmp_path / "env/bin/python"
    options = ["--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    run(own, "-m", "pip", "install", *options, f"{wheel}[dev]", cwd=tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (outside,) = tmp_path.glob("textlstm-*")
    shutil.rmtree(outside / "textlstm")  # so that nothing but the wheel can be imported
    home = run(own, "-c", "import textlstm; print(textlstm.__file__)", cwd=outside)
    assert str(tmp_path / "env") in home
    quick = ["-q", "-n", "2", "--dist", "loadfile"]
    said = run(own, "-m", "pytest", *quick, cwd=outside, timeout=7200, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    assert int(said.rpartition(" passed")[0].split()[-1]) > 4000, said[-2000:]
