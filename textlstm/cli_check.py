"""The command `check`: a report on data before training."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from textlstm import cli_options as opt


def check(
    ctx: typer.Context,
    data: opt.Data,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    max_length: Annotated[int, typer.Option("--max-length", help="tokens beyond which texts count as truncated")] = 256,
    on_bad_rows: opt.OnBadRows = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            "--embeddings",
            metavar="SOURCE",
            help="pretrained vectors: how much of the texts they cover, and what they miss",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="DATA",
            help="other data in which the texts are looked for; repeat for several",
            show_default=False,
        ),
    ] = None,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Report on data before training: rows, labels, lengths, duplicates, vocabulary, rows shared, vectors' coverage."""
    from textlstm.text.checks import check_data, format_report
    from textlstm.text.datasets import load_data
    from textlstm.text.protocol import load_recipe_data

    loaded = load_recipe_data(opt.recipe_for(data, ctx.params, name="check"))
    others = [load_data(other, on_bad_rows="drop") for other in against or []]
    report = check_data(loaded, max_length=max_length, against=others)
    facts, lines = report.to_dict(), [format_report(report)]
    if embeddings is not None:
        from textlstm.text.coverage import data_coverage, format_coverage

        told, covered = data_coverage(embeddings, {name: split.texts for name, split in loaded.splits.items()})
        facts["embeddings"] = {"notes": told, **{name: split.to_dict() for name, split in covered.items()}}
        lines += ["", format_coverage(told, covered)]
    typer.echo(json.dumps(facts, indent=1, ensure_ascii=False) if as_json else "\n".join(lines))
