"""The command `serve`: a model behind HTTP."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, cast

import typer

from textlstm import cli_options as opt

if TYPE_CHECKING:
    from textlstm.inference.model_files import Backend


def serve(
    model: opt.Model,
    host: Annotated[
        str, typer.Option("--host", help="address to listen on; 0.0.0.0 lets other machines in")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one")] = 8000,
    backend: Annotated[
        str, typer.Option("--backend", help="auto (an exported model.onnx, else torch), onnx, onnx-int8 or torch")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; all by default", show_default=False)
    ] = None,
    uncalibrated: Annotated[bool, typer.Option("--uncalibrated", help="leave the model's calibration aside")] = False,
    body_bytes: Annotated[int, typer.Option("--body-bytes", min=1, help="bytes that a request may have")] = 1_000_000,
    most_texts: Annotated[int, typer.Option("--texts", min=1, help="texts that a request may have")] = 256,
    waiting: Annotated[int, typer.Option("--waiting", min=1, help="texts that may wait; more get 503")] = 4_096,
    batch_tokens: Annotated[int, typer.Option("--batch-tokens", min=1, help="padded tokens a batch may hold")] = 16_384,
    batch_rows: Annotated[
        int | None,
        typer.Option(
            "--batch-rows",
            min=1,
            help="rows a batch may hold (8 by ONNX Runtime, 256 by torch); with 1, 8-bit scores are independent",
            show_default=False,
        ),
    ] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Answer over HTTP: POST {"inputs": "a text"} to /, as the Hub's text-classification inference API.

    Texts of requests that arrive together are answered in one batch. /health, /metrics (Prometheus) and /openapi.json
    tell about it. There is no authentication: let other machines in only behind something that has it.
    """
    from textlstm.errors import MissingExtraError, RecipeError

    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve")
    import uvicorn

    from textlstm.inference.model_files import find_model
    from textlstm.inference.predictor import Predictor
    from textlstm.inference.server import Limits, make_server

    wanted = cast("Backend", backend)
    if find_model(model, backend=wanted).onnx is None:
        from textlstm.cli_progress import quiet_libraries

        quiet_libraries()
    predictor = Predictor.load(model, backend=wanted, threads=threads, calibrated=not uncalibrated)
    limits = Limits(
        body_bytes=body_bytes,
        texts=most_texts,
        waiting=waiting,
        batch_tokens=batch_tokens,
        batch_rows=batch_rows,
    )
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise RecipeError(
            f"--host {host} --port {port} should be an address that is free here, and is not ({error.strerror});"
            " name another port, or 0 for any."
        ) from error
    if not quiet:
        typer.echo(f"{predictor.classifier.name}; http://{host}:{listener.getsockname()[1]}", err=True)
    config = uvicorn.Config(make_server(predictor, limits), log_level="warning", access_log=False)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # it has answered what it had, and stopped
        pass
