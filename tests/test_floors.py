"""The house's floors: nobody imports upwards, and what must stay light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import textlstm

ROOT = Path(textlstm.__file__).parent
FLOORS = [
    "errors",
    "atomic_files",
    "garbage",
    "results",
    "stats",
    "model",
    "recipe",
    "text",
    "inference",
    "training",
    "experiment",
    "analysis",
    "release",
    "cli",
]
"""From the ground up. `recipe_model` stands with `recipe`, `cli_...` with `cli`."""
MODULES = sorted(ROOT.rglob("*.py"))


def floor_of(module: str) -> int:
    part = module.split(".")[1] if "." in module else "cli"  # the package itself shows names from every floor
    return FLOORS.index(part.split("_")[0] if part.split("_")[0] in ("recipe", "cli") else part)


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    package = ["textlstm", *path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= (
                {origin} if node.module and origin != "textlstm" else {f"{origin}.{alias.name}" for alias in node.names}
            )
    return found


def module_name(path: Path) -> str:
    parts = ("textlstm", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_file_imports_from_a_higher_floor(path):
    own = floor_of(module_name(path))
    upwards = {name for name in imports_of(path) if name.startswith("textlstm.") and floor_of(name) > own}
    assert not upwards


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name == "model"], ids=module_name)
def test_the_model_travels_alone(path):
    allowed = (
        "torch",
        "transformers",
        "textlstm.model",
        "__future__",
        "collections",
        "dataclasses",
        "typing",
        "math",
        "functools",
    )
    assert {name for name in imports_of(path) if not name.startswith(allowed)} == set()


LIGHT = [
    path for path in MODULES if module_name(path).split(".")[1:2] in (["text"], ["experiment"], ["results"], ["stats"])
]


@pytest.mark.parametrize("path", LIGHT, ids=module_name)
def test_data_runs_and_statistics_name_no_torch(path):
    assert not {name for name in imports_of(path) if name.split(".")[0] == "torch"}


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import textlstm", {"torch", "transformers", "datasets", "pydantic", "numpy"}),
        ("import textlstm.cli", {"torch", "transformers", "datasets", "pyarrow", "numpy", "scipy", "sklearn"}),
        ("import textlstm.analysis.comparison, textlstm.experiment.grid", {"torch", "transformers", "datasets"}),
        ("import textlstm.text.reading, textlstm.text.checks", {"torch", "transformers", "datasets"}),
    ],
)
def test_imports_that_must_stay_light(statement, heavy):
    code = f"{statement}\nimport sys\nprint(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
