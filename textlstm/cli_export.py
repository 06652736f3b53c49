"""The command `export`: a trained model to ONNX files that were compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt


def export(
    model: opt.Model,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for the files; MODEL/onnx by default", show_default=False)
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="also write model_quantized.onnx, a quarter of the size")
    ] = False,
    full_range: Annotated[
        bool,
        typer.Option("--full-range", help="8 bits in place of 7: only for processors with VNNI, or without AVX"),
    ] = False,
    wasm: Annotated[
        bool,
        typer.Option(
            "--wasm", help="also run the int8 file by WebAssembly, as browsers do, and compare (needs Node.js and npm)"
        ),
    ] = False,
    opset: Annotated[int, typer.Option("--opset", help="version of ONNX's operators; 18 runs in the most places")] = 18,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="labeled data to compare on; the run's own validation or test rows by default",
            show_default=False,
        ),
    ] = None,
    least_agreement: Annotated[
        float,
        typer.Option(
            "--least-agreement", help="where the 95 % interval of the int8 file's agreement with torch must begin"
        ),
    ] = 0.97,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Write a model as ONNX files that need no torch: one graph for all lengths and batch sizes.

    Each file is compared with the model on texts it did not learn from, and kept only if it answers alike: logits
    within 0.0001 (32 bits), or the same labels with a 95 % interval from --least-agreement on (8 bits).
    """
    from textlstm.cli_progress import quiet_libraries
    from textlstm.errors import RecipeError

    if full_range and not int8:
        raise RecipeError("--full-range is about the 8-bit file, and --int8 is absent; add it, or leave both out.")
    if wasm and not int8:
        raise RecipeError("--wasm is about the 8-bit file, and --int8 is absent; add it, or leave both out.")
    from textlstm.inference.export import export_onnx

    quiet_libraries()
    if out is not None:
        opt.writable_folder(out)
    written = export_onnx(
        model,
        out=out,
        int8=int8,
        full_range=full_range,
        opset=opset,
        data=data,
        least_agreement=least_agreement,
    )
    in_wasm = None
    if wasm:
        from textlstm.release.demo.wasm_parity import keep_if_equal_in_wasm, say_parity

        in_wasm = keep_if_equal_in_wasm(written[-1].path, model)
    if as_json:
        shown = {str(file.path): {"bytes": file.size, **file.parity.model_dump()} for file in written}
        if in_wasm is not None:
            shown[str(written[-1].path)]["wasm"] = in_wasm.model_dump()
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    if not quiet:
        typer.echo(f"compared on {written[0].parity.origin}", err=True)
    for file in written:
        typer.echo(f"{file.path}  {file.size / 2**20:.2f} MiB\n  {file.parity.describe()}")
    if in_wasm is not None:
        typer.echo(f"  {say_parity(in_wasm)}")
