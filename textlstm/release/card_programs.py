"""The programs in a model card: how to train such a model again, and how to use this one."""

from __future__ import annotations

import json
import re
import shlex

from textlstm.analysis.wording import plain_text
from textlstm.recipe import Recipe
from textlstm.results import Run


def training_command(run: Run) -> str:
    """Write the command that trains such a model again.

    Args:
        run: as `public_run` gives it.

    Returns:
        One `textlstm train` command with every setting that is not a default.
    """
    recipe = Recipe.model_validate(run.settings)
    changed = recipe.identity()
    for key in ("version", "data.source", "threads"):
        changed.pop(key, None)
    if recipe.data.mirror:
        changed["data.mirror"] = recipe.data.mirror
    words = ["textlstm", "train", recipe.data.source, "--out", "my-model", "--threads", str(recipe.threads)]
    for key, value in changed.items():
        words += ["--set", f"{key}={json.dumps(value, ensure_ascii=False)}"]
    return " ".join(map(shlex.quote, words))


def snippets(repo_id: str, *, multi_label: bool) -> dict[str, str]:
    """Write the programs that use the model; the tests run these very texts.

    Args:
        repo_id: where the model is, or a folder.
        multi_label: whether a text may get several labels.

    Returns:
        Python by name: "pipeline", "transformers", "onnx" and "textlstm"; each ends with a value named `answers`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("textlstm.release"), autoescape=False, undefined=StrictUndefined)  # noqa: S701
    names = ("pipeline", "transformers", "onnx", "textlstm")
    values = {"repo_id": repo_id, "multi_label": multi_label}
    return {name: environment.get_template(f"use_{name}.py.j2").render(values).strip() for name in names}


def fenced(code: str, language: str) -> str:
    """Put a program between fences longer than any inside it.

    Args:
        code: what nobody is to read as Markdown.
        language: behind the first fence.

    Returns:
        A block.
    """
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{plain_text(code)}\n{fence}"
