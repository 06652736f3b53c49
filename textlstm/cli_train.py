"""The command `train`: one classifier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.garbage import uncollected


def train(
    ctx: typer.Context,
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="folder for the model")],
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    embeddings: opt.Embeddings = None,
    encoder: opt.Encoder = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="note gradients by layer, and how far they reach, on the way; inspect shows them"),
    ] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Train one classifier and save it; run again after an interruption, it goes on from its last checkpoint."""
    from textlstm.cli_progress import TrainProgress, quiet_libraries
    from textlstm.results import refuse_finished

    first = os.environ.get("RANK", "0") == "0"  # torchrun starts this command once a process; one of them speaks
    recipe = opt.recipe_for(data, opt.with_threads(ctx.params), name=opt.run_name(out))
    refuse_finished(opt.writable_folder(out))
    with TrainProgress(out, quiet=quiet or not first) as progress:
        with uncollected():
            from textlstm.text.protocol import load_recipe_data
            from textlstm.training.evaluation import format_metrics
            from textlstm.training.finetuning import finetune

            loaded = load_recipe_data(recipe)
        progress.note(loaded)
        quiet_libraries()
        if watch:
            from textlstm.analysis.diagnostics.notes import finetune_watched

            trained, watching = finetune_watched(recipe, loaded, out=out, listener=progress.update)
            progress.say(f"  watching took {100 * watching:.1f} % of the time of training")
        else:
            trained = finetune(recipe, loaded, out=out, listener=progress.update)
        for note in trained.data.notes[len(loaded.notes) :]:
            progress.say(f"  {note}")
    if not first:
        return
    if as_json:
        typer.echo(trained.model_dump_json(indent=1))
        return
    held_out: list[str] = [split for split in ("validation", "test") if split in trained.metrics]
    for split in held_out or ["train"]:
        metrics = trained.metrics[split]
        typer.echo(f"\n{split} ({metrics.rows:,} rows)\n{format_metrics(metrics)}")
    if not held_out:
        typer.echo("\nIt learned from these very rows; --test DATA, or textlstm evaluate, gives a score that counts.")
    cost = trained.cost
    typer.echo(
        f"\n{cost.parameters:,} parameters ({cost.parameters_without_embeddings:,} without embeddings),"
        f" {cost.train_seconds:.1f} s, {cost.tokens_per_second:,.0f} tokens/s, {cost.peak_memory_mb:,.0f} MiB peak"
        f"\nThe model is in {out}; try: textlstm predict {out} --input 'some text'"
    )
