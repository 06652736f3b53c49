"""The command that makes a grid of the user's own data: `compare` writes a recipe and runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textlstm import cli_options as opt
from textlstm.cli_grid import DryRun, Out, RayAddress, Workers, run_grid
from textlstm.errors import RecipeError
from textlstm.recipe_files import parse_override

if TYPE_CHECKING:
    from textlstm.text.datasets import TextData

_MOST_NUMBERS = 1_000
DEFAULT_SIZES = (100, 500, 2000)


def compare(
    ctx: typer.Context,
    data: opt.Data,
    layers: Annotated[str, typer.Option("--layers", help="depths, such as 1-4 or 1,2,6")] = "1-4",
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", help="numbers of labels, such as 100,1000,full; chosen by the data when absent"),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="runs of each cell; 3 or fewer are a preview")] = 5,
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, help="cross-validate, for data without a test split")
    ] = None,
    controls: Annotated[
        str,
        typer.Option("--controls", help="fixed_width, matched_parameters, matched_compute, tuned; comma-separated"),
    ] = "fixed_width",
    delta: Annotated[float, typer.Option("--delta", help="smallest gain worth a layer, in points")] = 1.0,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="path or Hub id of a frozen encoder, as one more baseline")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    dry_run: DryRun = False,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    embeddings: opt.Embeddings = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Compare depths on your own data: writes a recipe and runs it, with plain baselines beside it."""
    # Here these are axes, not the settings of one run, and the encoder is a baseline, not what a stack starts from.
    own = ("layers", "seeds", "sizes", "encoder")
    options = {key: value for key, value in ctx.params.items() if key not in own}
    name = opt.run_name(out) if out else data_name(data)
    grid: dict[str, Any] = {
        "grid.layers": _numbers(layers, "--layers"),
        "grid.seeds": seeds,
        "grid.controls": [word.strip() for word in controls.split(",")],
        "grid.baselines": ["majority", "tfidf", "bag", "one_directional"],
        "delta": delta,
    }
    if folds:
        grid["grid.folds"] = folds
    if encoder:
        grid["grid.encoder"] = encoder
    base = opt.recipe_for(data, {**options, "settings": None}, name=name).override(grid)
    changes = dict(parse_override(text) for text in settings or [])
    base = base.override(changes)
    loaded = None
    if sizes:
        base = base.override({"grid.sizes": _sizes(sizes)} | changes)
    elif "grid.sizes" not in changes:
        from textlstm.text.protocol import load_recipe_data

        loaded = load_recipe_data(base)
        base = base.override({"grid.sizes": _fitting_sizes(loaded)})
    run_grid(base, out, workers, ray_address, dry_run=dry_run, as_json=as_json, quiet=quiet, loaded=loaded, own=True)


def data_name(data: str) -> str:
    """Name a comparison after its data.

    Args:
        data: a Hub id, or a file or folder, which gives its name without the ending.

    Returns:
        A name for recipes and folders.
    """
    path = Path(data)
    if path.exists():
        whole = path.resolve()
        return opt.run_name(whole.with_suffix("") if whole.is_file() else whole)
    return opt.run_name(Path(data.replace("/", "-")))


def _numbers(text: str, option: str) -> list[int]:
    """Read "1-4" or "1,2,6"."""
    try:
        found: list[int] = []
        for part in text.split(","):
            low, dash, high = part.strip().partition("-")
            numbers = range(int(low), int(high) + 1) if dash else [int(low)]
            found += numbers[:_MOST_NUMBERS]  # 1-9999999999 is a slip, and would fill the memory
    except ValueError:
        found = []
    if not 0 < len(found) < _MOST_NUMBERS or min(found) < 1:
        raise RecipeError(f"{option} takes whole numbers from 1 such as 1-4 or 1,2,6, and got {text!r}.")
    return found


def _sizes(text: str) -> list[int | str]:
    """Read "100,1000,full"."""
    words = [word.strip() for word in text.split(",")]
    if not all(word == "full" or re.fullmatch(r"[0-9]{1,12}", word) for word in words):
        raise RecipeError(f"--sizes takes numbers of labels and `full`, such as 100,1000,full, and got {text!r}.")
    return [word if word == "full" else int(word) for word in words]


def _fitting_sizes(data: TextData) -> list[int | str]:
    """Choose sizes by the data: the usual ones that are clearly below the whole, and the whole."""
    rows = len(data.splits["train"])
    return [size for size in DEFAULT_SIZES if len(data.label_names) <= size <= rows // 2] + ["full"]
