"""Every command that the README and the documentation show is one that the program takes; every snippet compiles."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from textlstm.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands


def blocks(page, language):
    return [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


def commands():
    """Command lines of all pages, without variables before and comments behind them."""
    found = []
    for page in PAGES:
        for line in "".join(blocks(page, "")).splitlines():
            if "textlstm " not in line:
                continue
            words = shlex.split(line, comments=True)
            while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in ("srun", "nice")):
                words.pop(0)
            if words[:1] == ["textlstm"]:
                found.append(pytest.param(words[1:], id=f"{page.name}: {' '.join(words)}"))
    return found


@pytest.mark.parametrize("words", list(commands()))
def test_a_documented_command_is_taken(words):
    if words[0].startswith("--"):  # an option of the program itself
        assert words[0] in {flag for parameter in GROUP.params for flag in parameter.opts}
        return
    command, words = COMMANDS[words[0]], words[1:]
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    context = command.context_class(command)
    values, left, _ = command.make_parser(context).parse_args(list(words))  # raises for an option that is not there
    needed = {p.name for p in command.params if p.required and p.param_type_name == "argument"}
    assert not left and all(values.get(name) for name in needed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_documented_snippet_compiles_and_finds_what_it_imports(page):
    for text in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("textlstm"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_there_are_commands_to_check():
    assert len(commands()) > 15
