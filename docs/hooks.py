"""Pages that the site makes from the code: commands, recipe keys, the Python API, and the tables kept elsewhere.

MkDocs calls `on_files` and `on_page_markdown` while it builds (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import tempfile
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import textlstm
from textlstm.cli import app
from textlstm.recipe import Recipe

ROOT = Path(__file__).parents[1]
LINKS = {"../benchmarks/README.md": "measured.md", "../recipes/README.md": "recipes.md"}
"""Pages that stand elsewhere in the checkout, and where the site has them."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/commands.md": commands_page(),
        "reference/recipe.md": recipe_page(),
        "reference/api.md": api_page(),
        "measured.md": elsewhere("benchmarks/README.md"),
        "recipes.md": elsewhere("recipes/README.md"),
    }
    for path, content in {**pages, **gallery()}.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead links out of `docs/` to the site's own copies."""
    for address, page in LINKS.items():
        markdown = markdown.replace(f"]({address}", f"]({page}")
    return markdown


def elsewhere(path: str) -> str:
    """Take a page from elsewhere in the checkout; links to what the site does not have become plain words."""
    import re

    text = (ROOT / path).read_text("utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text)


def gallery() -> dict[str, str | bytes]:
    """Write the report of each pack of committed figures, and a look inside the stored model, by the package itself."""
    from textlstm.analysis.diagnostics.inspection import inspect_model
    from textlstm.analysis.diagnostics.inspection_page import write_inspection
    from textlstm.analysis.report import REPORT_FILE, write_report
    from textlstm.analysis.summary import read_summary

    found: dict[str, str | bytes] = {}
    for pack in sorted((ROOT / "benchmarks" / "evidence").iterdir()):
        if not (pack / "summary.json").is_file():
            continue
        with tempfile.TemporaryDirectory() as place:
            for path in write_report(read_summary(pack), Path(place)):
                if path.name == REPORT_FILE or path.suffix in (".svg", ".png"):
                    found[f"gallery/{pack.name}/{path.relative_to(place)}"] = path.read_bytes()
    model = max((ROOT / "tests" / "release" / "stored").iterdir())
    with tempfile.TemporaryDirectory() as place:
        seen = inspect_model(model, "pydocs", quick=True, device="cpu")
        facts = seen.model.model_copy(update={"source": "my-model"})  # no place of the machine that builds the site
        page, *_ = write_inspection(seen.model_copy(update={"model": facts}), Path(place))
        found["gallery/inspect.html"] = page.read_bytes()
    return found


def commands_page() -> str:
    """One section a command: what it does, its arguments and its options."""
    group = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        "Exit codes: 0 done, 1 a run failed, 2 the input or the recipe is wrong. `--debug` shows the traceback of an"
        " error. Written from the code, as `--help` is.\n",
    ]
    for name, command in sorted(commands_of(group, "textlstm").items()):
        context = command.context_class(command, info_name=name)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        parts += [f"## {name}\n", f"{(command.help or command.short_help or '').strip()}\n", f"```\n{usage}\n```\n"]
        rows = [row for parameter in command.params if (row := parameter_row(parameter, context))]
        if rows:
            parts.append("| option | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def commands_of(group: Any, prefix: str) -> dict[str, Any]:  # noqa: ANN401 - typer brings its own click
    """Every command below a group, by its full name."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands_of(command, f"{prefix} {name}")
        elif not command.hidden:
            found[f"{prefix} {name}"] = command
    return found


def parameter_row(parameter: Any, context: Any) -> str:  # noqa: ANN401
    """One row of a table; empty for `--help`."""
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts:
        return ""
    names, meaning = record
    return f"| `{names.replace('|', ' or ')}` | {escaped(meaning)} |"


def recipe_page() -> str:
    """Every key of a recipe, with its type, default and meaning."""
    parts = [
        "# Recipe keys\n",
        "A recipe is one YAML file. `--set a.b=c` changes any of these keys; an unknown key is an error that names the"
        " nearest one. Keys at their defaults do not enter the fingerprint of a run.\n",
        "## The recipe itself\n",
        table(Recipe, ""),
    ]
    for name, field in Recipe.model_fields.items():
        if (section := section_of(field)) is not None:
            meaning = (
                (section.__doc__ or "The network; each key is a field of `TextLSTMConfig`.").strip().splitlines()[0]
            )
            parts += [f"## `{name}:`\n", f"{meaning}\n", table(section, f"{name}.")]
    return "\n".join(parts)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The class of a part with keys of its own."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def table(section: type[BaseModel], prefix: str) -> str:
    """The keys of one part, those with parts of their own left out."""
    rows = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in section.model_fields.items():
        inner = section_of(field)
        if inner is not None and not prefix:
            continue
        if inner is not None and get_origin(field.annotation) is not list:
            rows += table(inner, f"{prefix}{name}.").splitlines()[2:]
            continue
        default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
        rows.append(f"| `{prefix}{name}` | {kind_words(field.annotation)} | {default} | {escaped(field.description)} |")
    return "\n".join(rows) + "\n"


def kind_words(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Name a type as a reader of YAML would."""
    origin = get_origin(kind)
    if kind is type(None):
        return "null"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_words(part) for part in get_args(kind)))
    if origin in (list, tuple):
        return f"list of {kind_words(get_args(kind)[0])}"
    if origin is dict:
        return "mapping"
    if origin is not None:  # Annotated
        return kind_words(get_args(kind)[0])
    words = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`", Path: "path"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))


def escaped(text: str | None) -> str:
    """Keep a text inside its cell."""
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def api_page() -> str:
    """The public names, with the docstrings of their homes."""
    homes = textlstm._HOMES
    parts = ["# Python\n", "Everything here is imported from `textlstm`; names resolve on first use.\n"]
    for name in sorted(homes, key=str.lower):
        parts.append(f"::: {target(name, homes[name])}\n")
    return "\n".join(parts)


def target(name: str, home: str) -> str:
    """Where a name is defined, since a folder's `__init__` only shows it."""
    return f"{getattr(textlstm, name).__module__}.{name}" if home == "model" else f"textlstm.{home}.{name}"
