"""The options that commands share, each tied to one recipe key, and how they become a recipe.

An option's help is its recipe key's own description, so there is one text for both.
"""

from __future__ import annotations

import json
import os
import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Annotated, Any

import typer

from textlstm.cli_shared import AsJson as AsJson
from textlstm.cli_shared import Data as Data
from textlstm.cli_shared import Debug as Debug
from textlstm.cli_shared import Model as Model
from textlstm.cli_shared import Quiet as Quiet
from textlstm.errors import RecipeError, RunFolderError
from textlstm.recipe import Recipe, describe_key, known_keys, validate
from textlstm.recipe_files import parse_override

OPTION_KEYS = {
    "text_column": "data.text_columns",
    "label_column": "data.label_column",
    "label_names": "data.label_names",
    "label_separator": "data.label_separator",
    "encoding": "data.encoding",
    "validation": "data.validation",
    "test": "data.test",
    "on_bad_rows": "data.on_bad_rows",
    "layers": "model.num_layers",
    "hidden": "model.hidden_size",
    "join": "model.join",
    "pooling": "model.pooling",
    "max_length": "tokenizer.max_length",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate",
    "seed": "seed",
    "device": "device",
    "threads": "threads",
}
"""Option to recipe key; `--tokenizer` and `--embeddings` are apart, since they set two keys."""
TEACHER_KEYS = {
    "teacher": "distillation.teacher",
    "teacher_labels": "distillation.labels",
    "unlabeled": "distillation.unlabeled",
}
"""The same for the options that `distill` alone has."""


def _option(flag: str, kind: type, **kwargs: Any) -> Any:  # noqa: ANN401 - typer's annotation objects have no narrower type
    """Describe an option by the recipe key it sets, with the value that the key has when nobody sets it."""
    key = {**OPTION_KEYS, **TEACHER_KEYS}[flag.removeprefix("--").replace("-", "_")]
    words, default = describe_key(key), known_keys()[key].default
    if isinstance(default, str | int | float) and key != "threads":  # of which train takes all, and compare one a run
        words = f"{words} [recipe default: {default}]"
    return Annotated[kind | None, typer.Option(flag, help=words, show_default=False, **kwargs)]


TextColumn = Annotated[
    list[str] | None,
    typer.Option("--text-column", help=f"{describe_key('data.text_columns')}; repeat for several", show_default=False),
]
LabelColumn = _option("--label-column", str)
LabelNames = _option("--label-names", str, metavar="A,B,C")
LabelSeparator = _option("--label-separator", str)
Encoding = _option("--encoding", str)
Validation = _option("--validation", str, metavar="DATA")
Test = _option("--test", str, metavar="DATA")
Layers = _option("--layers", int)
Hidden = _option("--hidden", int)
Join = _option("--join", str)
Pooling = _option("--pooling", str)
Embeddings = Annotated[
    str | None,
    typer.Option("--embeddings", metavar="SOURCE", help=describe_key("embeddings.source"), show_default=False),
]
Encoder = Annotated[
    str | None,
    typer.Option("--encoder", metavar="PATH", help=describe_key("transfer.encoder"), show_default=False),
]
MaxLength = _option("--max-length", int)
Epochs = _option("--epochs", int)
BatchSize = _option("--batch-size", int)
LearningRate = _option("--learning-rate", float)
Seed = _option("--seed", int)
Device = _option("--device", str)
Threads = _option("--threads", int)
Tokenizer = Annotated[
    str | None,
    typer.Option("--tokenizer", help="word, bpe, wordpiece, unigram, or the Hub id or path of one", show_default=False),
]
_PAGES = ("report.html", "advice.html", "inspect.html", "claim.html", "all.html", "compare.yaml")
_GRAPHS = ("model.onnx", "model_quantized.onnx")
_OURS = {
    "config.json": b'"textlstm"',
    **dict.fromkeys(_PAGES, b"textlstm"),
    **dict.fromkeys(_GRAPHS, b"textlstm_format"),
}
"""What commands write over when they are given again, and bytes that stand in each such file of ours."""
Teacher = Annotated[
    list[str] | None,
    typer.Option("--teacher", metavar="MODEL", help=describe_key("distillation.teacher"), show_default=False),
]
TeacherLabels = _option("--teacher-labels", str, metavar="THEIRS=OURS,...")
Unlabeled = Annotated[
    str | None,
    typer.Option(
        "--unlabeled",
        "--unlabelled",
        metavar="DATA",
        help=describe_key("distillation.unlabeled"),
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="any recipe key, such as training.epochs=5; repeatable", show_default=False
    ),
]
OnBadRows = _option("--on-bad-rows", str, metavar="error|drop")


def option_overrides(options: dict[str, Any]) -> dict[str, Any]:
    """Turn given options into recipe overrides; `--set` comes last and wins.

    Args:
        options: parameters of a command by name; None means not given.

    Returns:
        Dotted keys with values.

    Raises:
        RecipeError: a `--set` is not KEY=VALUE, or an encoder and a tokenizer were both named.
    """
    named = {**OPTION_KEYS, **TEACHER_KEYS}
    changes = {key: options[name] for name, key in named.items() if options.get(name) not in (None, [], ())}
    if "data.label_names" in changes:
        changes["data.label_names"] = [name.strip() for name in changes["data.label_names"].split(",")]
    if "distillation.labels" in changes:
        changes["distillation.labels"] = _pairs(changes["distillation.labels"], option="--teacher-labels")
    if (tokenizer := options.get("tokenizer")) is not None:
        trained = tokenizer in ("word", "bpe", "wordpiece", "unigram")
        changes |= (
            {"tokenizer.kind": tokenizer}
            if trained
            else {"tokenizer.kind": "pretrained", "tokenizer.source": tokenizer}
        )
    if (vectors := options.get("embeddings")) is not None:
        from textlstm.text.vectors import vector_width

        # Whoever names vectors wants them whole; --set model.embedding_size=... brings them to another width.
        changes |= {"embeddings.source": vectors, "model.embedding_size": vector_width(vectors)}
    if (encoder := options.get("encoder")) is not None:
        if tokenizer is not None:
            raise RecipeError(
                f"--encoder {encoder} brings its own vocabulary, and --tokenizer {tokenizer} names another; leave one"
                " of the two out."
            )
        changes = {**encoder_shape(encoder, layers=changes.get("model.num_layers")), **changes}
        changes["transfer.encoder"] = encoder
    if "training.epochs" in changes:
        changes["training.min_updates"] = 0  # whoever counts epochs wants no more of them
    changes |= dict(parse_override(text) for text in options.get("settings") or [])
    return changes


def _pairs(text: str, *, option: str) -> dict[str, str]:
    """Read A=B,C=D."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(left.strip() and equals and right.strip() for left, equals, right in pairs):
        raise RecipeError(f"{option} should be pairs such as LABEL_0=negative,LABEL_1=positive, and is {text!r}.")
    return {left.strip(): right.strip() for left, _, right in pairs}


def encoder_shape(encoder: str, *, layers: int | None) -> dict[str, Any]:
    """Read the settings that a stack shares with the encoder that it starts from.

    Args:
        encoder: folder or Hub id.
        layers: of the new stack; the encoder's number when None.

    Returns:
        Recipe keys of the `model:` part; widths and activations that differ by layer are cut, or go on with the last.

    Raises:
        ModelError: there is no such model.
    """
    from textlstm.inference.model_files import find_model

    config = json.loads((find_model(encoder, backend="torch").folder / "config.json").read_text("utf-8"))
    depth = config["num_layers"] if layers is None else layers
    shape = {"model.num_layers": depth}
    for key in (
        "embedding_size",
        "hidden_size",
        "bidirectional",
        "join",
        "layer_norm",
        "activation",
        "gate_activation",
    ):
        value = config[key]
        if isinstance(value, list):
            value = [*value, *value[-1:] * depth][:depth]
        shape[f"model.{key}"] = value
    return shape


def recipe_for(data: str, options: dict[str, Any], *, name: str) -> Recipe:
    """Make the recipe of a single run from a command's options.

    Args:
        data: what the user named.
        options: parameters of the command by name.
        name: of the run.

    Returns:
        The recipe.

    Raises:
        RecipeError: an option's value does not fit; all problems are listed.
    """
    base = validate({"name": name, "data": {"source": data}}, origin="the options")
    return base.override(option_overrides(options))


def with_threads(options: dict[str, Any]) -> dict[str, Any]:
    """Take all processors where no number of threads is given: a command that trains one model has them for itself.

    Args:
        options: parameters of the command by name.

    Returns:
        The same, with a number of threads.
    """
    from textlstm.experiment.capacity import available_threads

    given = options.get("threads")
    return {**options, "threads": available_threads() if given is None else given}


def run_name(folder: Path) -> str:
    """Name a run after its folder, in the letters that a recipe's name may have.

    Args:
        folder: whatever the user called it.

    Returns:
        Such as "my-model" for "/tmp/my model"; "model" where no letter is left.
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-_.") or "model"


def writable_folder(path: Path) -> Path:
    """Refuse an `--out` that can be no folder before hours are spent on what goes into it.

    Args:
        path: a folder, there or to be made.

    Returns:
        The same.

    Raises:
        RunFolderError: the path or a part of it is a file, nothing may be written there, or there is a page or a model
            that textlstm has not written, and would write over.
    """
    nearest = next(part for part in (path.absolute(), *path.absolute().parents) if part.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        what = "may not be written to" if nearest.is_dir() else "is a file"
        raise RunFolderError(f"--out {path} should be a folder that can be made, and {nearest} {what}; name another.")
    if path.is_dir() and (theirs := next((name for name, mark in _OURS.items() if _is_foreign(path / name, mark)), "")):
        raise RunFolderError(
            f"--out {path} should be a folder of its own, and its {theirs} was not written by textlstm; nothing is"
            " overwritten: name another."
        )
    return path


def _is_foreign(path: Path, mark: bytes) -> bool:
    """Say whether a file that a command would write is there and lacks what ours have."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(mark) < 0
