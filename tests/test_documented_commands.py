"""Every command that the README and the documentation show is one that the program takes; every snippet compiles."""

import ast
import importlib
import re
import shlex
import textwrap
from pathlib import Path

import pytest
import typer.main
import yaml

from textlstm.cli import app
from textlstm.experiment.grid import plan_cells
from textlstm.recipe import validate

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.M | re.S)
INLINE = re.compile(r"`textlstm\s([^`]+)`")
SHELL = ("", "sh", "bash")
GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands


def blocks(page, *languages):
    found = BLOCK.findall(page.read_text("utf-8"))
    return [textwrap.dedent(text) for _, kind, text in found if kind in languages]


def commands():
    """Command lines of all pages, without what stands before them (variables, srun, torchrun) and comments behind."""
    found = []
    for page in PAGES:
        for line in "".join(blocks(page, *SHELL)).splitlines():
            words = shlex.split(line, comments=True) if "textlstm " in line else []
            own = words[words.index("textlstm") + 1 :] if "textlstm" in words else []
            if own:
                found.append(pytest.param(own, id=f"{page.name}: {' '.join(own)}"))
    return found


def mentions():
    """Commands in the middle of a sentence, which may leave out what they work on."""
    found = {" ".join(words.split()): page.name for page in PAGES for words in INLINE.findall(page.read_text("utf-8"))}
    return [
        pytest.param(shlex.split(re.split("[<>|]", words)[0]), id=f"{page}: {words}") for words, page in found.items()
    ]


def parsed(words):
    """The command that words name, with its values; raises for an option that is not there."""
    command, words = COMMANDS[words[0]], words[1:]
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    values, left, _ = command.make_parser(command.context_class(command)).parse_args(list(words))
    assert not left
    return command, values


def is_of_the_program(words):
    """Whether the words are an option of the program itself, which then has to have it."""
    if words[0].startswith("--"):
        assert words[0] in {flag for parameter in GROUP.params for flag in parameter.opts}
    return words[0].startswith("--")


@pytest.mark.parametrize("words", commands())
def test_a_documented_command_is_taken(words):
    if not is_of_the_program(words):
        command, values = parsed(words)
        needed = {p.name for p in command.params if p.required and p.param_type_name == "argument"}
        assert all(values.get(name) for name in needed)


@pytest.mark.parametrize("words", mentions())
def test_a_command_that_a_sentence_names_is_there_with_its_options(words):
    if not is_of_the_program(words):
        parsed(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_documented_snippet_compiles_and_finds_what_it_imports(page):
    for text in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("textlstm"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


RECIPES = [(page, text) for page in PAGES for text in blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "text"), RECIPES, ids=lambda part: part.name if isinstance(part, Path) else "")
def test_a_documented_recipe_is_valid_and_can_be_planned(page, text):
    assert plan_cells(validate(yaml.safe_load(text), origin=page.name))


def test_there_is_something_to_check():
    assert len(commands()) > 15
    assert len(mentions()) > 30
    assert RECIPES
