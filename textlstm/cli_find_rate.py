"""`textlstm find-rate`: which learning rate to train with, by raising it until training breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt


def find_rate(
    ctx: typer.Context,
    data: opt.Data,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PLOT.svg", help="where to draw loss by rate", show_default=False)
    ] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    embeddings: opt.Embeddings = None,
    encoder: opt.Encoder = None,
    max_length: opt.MaxLength = None,
    batch_size: opt.BatchSize = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    updates: Annotated[int, typer.Option("--updates", min=10, help="rates to try")] = 100,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Try rising learning rates on a few batches; nothing is trained, and validation and test stay unread."""
    from textlstm.cli_progress import quiet_libraries
    from textlstm.errors import RunFolderError
    from textlstm.text.protocol import load_recipe_data

    if out is not None and out.suffix != ".svg":
        raise RunFolderError(f"--out {out} should be a file that ends in .svg; name it so.")
    if out is not None:
        opt.writable_folder(out.parent)
        if out.exists():
            raise RunFolderError(f"{out} exists already, and nothing is overwritten; name another file, or remove it.")
    recipe = opt.recipe_for(data, ctx.params, name="find-rate")
    loaded = load_recipe_data(recipe)
    quiet_libraries()
    from textlstm.training import rate_finder

    found = rate_finder.find_rate(recipe, loaded, updates=updates)
    if out is not None:
        from textlstm.analysis.charts.rates import rate_figure
        from textlstm.analysis.page import draw, write_whole

        figure = rate_figure(found.rates, found.losses, steepest=found.steepest)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, draw([figure], depths=1).vectors[figure.name])
    if as_json:
        typer.echo(json.dumps(vars(found), indent=1))
        return
    for rate, loss in list(zip(found.rates, found.losses, strict=True))[:: max(1, len(found.rates) // 15)]:
        typer.echo(f"{rate:9.2g}  {loss:.3f}")
    end = f"above {found.rates[-1]:.2g} training broke" if found.broke else f"up to {found.rates[-1]:.2g} nothing broke"
    typer.echo(
        f"The loss fell fastest at {found.steepest:.2g} and was lowest at {found.lowest_loss:.2g}; {end}."
        f" Try: textlstm train {data} --learning-rate {found.steepest:.2g} --out MODEL"
    )
