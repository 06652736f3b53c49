"""`textlstm pretrain`: language models from unlabeled text, to start classifiers from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textlstm import cli_options as opt

PRETRAINING = {
    "training.epochs": 1,
    "training.learning_rate": 4e-3,
    "training.embedding_learning_rate": 1e-2,
    "training.batch_size": 16,
    "training.weight_averaging": 0.0,
    "model.embedding_dropout": 0.05,
    "model.input_dropout": 0.1,
    "model.layer_dropout": 0.1,
    "model.recurrent_dropout": 0.1,
    "model.output_dropout": 0.1,
}
"""What pretraining takes in place of the classifier's defaults: much text and one pass ask for little dropout."""

Text = Annotated[
    str,
    typer.Argument(metavar="TEXT", help="unlabeled text: file (txt: one text a line), folder, corpus, mirror, Hub id"),
]


def _own(flag: str, words: str) -> Any:  # noqa: ANN401 - typer's option objects have no narrower type
    """An option whose default is this command's own."""
    key = opt.OPTION_KEYS[flag.removeprefix("--").replace("-", "_")]
    return typer.Option(flag, help=f"{words} [default: {PRETRAINING[key]}]", show_default=False)


Epochs = Annotated[int | None, _own("--epochs", "passes over the text")]
BatchSize = Annotated[int | None, _own("--batch-size", "streams of text that are read side by side")]
LearningRate = Annotated[float | None, _own("--learning-rate", "highest rate of the schedule")]


def pretrain(
    ctx: typer.Context,
    data: Text,
    out: Annotated[Path, typer.Option("--out", help="folder for the encoder")],
    text_column: opt.TextColumn = None,
    encoding: opt.Encoding = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    tokenizer: opt.Tokenizer = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Pretrain an encoder; run again after an interruption, it goes on from its last checkpoint."""
    from textlstm.cli_progress import PretrainProgress, quiet_libraries
    from textlstm.recipe import validate

    base = validate({"name": opt.run_name(out), "data": {"source": data}}, origin="the options")
    recipe = base.override({**PRETRAINING, **opt.option_overrides(opt.with_threads(ctx.params))})
    opt.writable_folder(out)
    with PretrainProgress(out, quiet=quiet) as progress:
        from textlstm.training import pretraining

        quiet_libraries()
        result = pretraining.pretrain(recipe, out=out, listener=progress.update)
        for note in result.notes:
            progress.say(f"  {note}")
    if as_json:
        typer.echo(result.model_dump_json(indent=1))
        return
    typer.echo(
        f"{result.source}: {result.texts:,} texts, {result.tokens:,} tokens a pass, {result.vocabulary:,} words;"
        f" {result.seconds:.0f} s, {result.tokens_per_second:,.0f} tokens/s"
    )
    words = ", ".join(f"{name} {value:.1f}" for name, value in result.perplexity.items())
    typer.echo(f"Perplexity on texts kept out: {words}; by word frequency alone {result.unigram_perplexity:.1f}")
    typer.echo(f"The encoder is in {out}; try: textlstm train DATA --encoder {out} --out MODEL")
