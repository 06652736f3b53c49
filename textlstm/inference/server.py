"""A small HTTP server on one model: batched, with limits, health, metrics and a description of itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

from textlstm.errors import DataError, MissingExtraError
from textlstm.inference.model_files import BATCH_TOKENS
from textlstm.inference.predictor import Predictor
from textlstm.inference.server_requests import describe_api, read_question, write_answer
from textlstm.inference.text_queue import QueueFullError, TextQueue

try:
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route
except ImportError as error:
    raise MissingExtraError("starlette", "serve") from error

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes:
        body_bytes: bytes of its body.
        body_seconds: time in which the body must arrive.
        texts: texts in it.
        waiting: texts of all requests that may wait.
        batch_tokens: padded tokens a batch may hold.
        batch_rows: rows a batch may hold; None takes what suits what runs the model.
        together: texts of requests that are taken together.
    """

    body_bytes: int = 1_000_000
    body_seconds: float = 30.0
    texts: int = 256
    waiting: int = 4_096
    batch_tokens: int = BATCH_TOKENS
    batch_rows: int | None = None
    together: int = 64


class _RefusedError(Exception):
    """A request that gets no answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class _Metrics:
    """Counts in the text format of Prometheus."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.within = [0] * len(_BOUNDS)
        self.seconds = 0.0

    def count(self, status: int, seconds: float) -> None:
        """Count one request."""
        self.statuses[status] += 1
        self.seconds += seconds
        for place, bound in enumerate(_BOUNDS):
            self.within[place] += seconds <= bound

    def text(self, queue: TextQueue) -> str:
        """Write all counts down."""
        total = sum(self.statuses.values())
        name = "textlstm_request_seconds"
        lines = ["# TYPE textlstm_requests_total counter"]
        lines += [f'textlstm_requests_total{{status="{key}"}} {self.statuses[key]}' for key in sorted(self.statuses)]
        lines.append(f"# TYPE {name} histogram")
        lines += [f'{name}_bucket{{le="{le}"}} {count}' for le, count in zip(_BOUNDS, self.within, strict=True)]
        lines += [f'{name}_bucket{{le="+Inf"}} {total}', f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
        counts = {"texts": queue.answered, "truncated_texts": queue.cut, "batches": queue.batches}
        for key, value in counts.items():
            lines += [f"# TYPE textlstm_{key}_total counter", f"textlstm_{key}_total {value}"]
        lines += ["# TYPE textlstm_waiting_texts gauge", f"textlstm_waiting_texts {queue.waiting}"]
        return "\n".join(lines) + "\n"


class _Server:
    """The routes' functions, and what they share."""

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self.predictor, self.limits, self.metrics = predictor, limits, _Metrics()
        self.queue = TextQueue(
            predictor,
            batch_tokens=limits.batch_tokens,
            batch_rows=limits.batch_rows,
            together=limits.together,
            most_waiting=limits.waiting,
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Answer one text before the first request comes, so that it need not wait; then work until the end."""
        await asyncio.to_thread(self.predictor, "warm up")
        worker = asyncio.create_task(self.queue.work())
        yield
        worker.cancel()

    async def classify(self, request: Request) -> Response:
        """Label the texts of a request."""
        began = time.perf_counter()
        try:
            response: Response = JSONResponse(await self._answer(request))
        except _RefusedError as refusal:
            headers = {"Retry-After": "1"} if refusal.status == 503 else None
            response = JSONResponse({"error": str(refusal)}, refusal.status, headers)
        except ClientDisconnect:
            response = Response(status_code=499)  # nobody reads it
        except Exception as error:  # the model's; the server goes on
            response = JSONResponse({"error": f"The model failed: {error}"}, 500)
        self.metrics.count(response.status_code, time.perf_counter() - began)
        return response

    async def _answer(self, request: Request) -> list[list[dict[str, object]]]:
        try:
            body = await asyncio.wait_for(self._body(request), self.limits.body_seconds)
            question = read_question(body, most_texts=self.limits.texts)
            logits = await self.queue.logits(question.texts)
        except TimeoutError:
            raise _RefusedError(408, "The body did not arrive in time; send it again.") from None
        except DataError as error:
            raise _RefusedError(400, str(error)) from None
        except QueueFullError:
            raise _RefusedError(503, "Too many texts wait for the model; try again in a second.") from None
        return write_answer(question, logits, self.predictor.label_names, multi_label=self.predictor.multi_label)

    async def _body(self, request: Request) -> bytes:
        """Read a body, and stop where it is too long."""
        most = self.limits.body_bytes
        refusal = _RefusedError(413, f"The body may have {most:,} bytes, and has more; send fewer or shorter texts.")
        said = request.headers.get("content-length", "0")
        if said.isdigit() and int(said) > most:
            raise refusal
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise refusal
        return bytes(body)

    async def health(self, request: Request) -> Response:
        """Say that the model answers, and what it is."""
        runs = self.predictor.classifier.name
        return JSONResponse({"status": "ok", "backend": runs, "labels": self.predictor.label_names})

    async def show_metrics(self, request: Request) -> Response:
        """Give the counts."""
        return PlainTextResponse(self.metrics.text(self.queue), media_type="text/plain; version=0.0.4")

    async def describe(self, request: Request) -> Response:
        """Give the description."""
        return JSONResponse(
            describe_api(
                self.predictor.label_names,
                version=version("textlstm"),
                most_texts=self.limits.texts,
                body_bytes=self.limits.body_bytes,
            )
        )


def make_server(predictor: Predictor, limits: Limits | None = None) -> Starlette:
    """Make the server's application, for uvicorn or any other ASGI server.

    POST / labels texts (`server_requests` has the form); GET /health, /metrics and /openapi.json tell about it.

    Args:
        predictor: the model.
        limits: what a request may ask for.

    Returns:
        The application.
    """
    server = _Server(predictor, limits or Limits())
    routes = [
        Route("/", server.classify, methods=["POST"]),
        Route("/health", server.health),
        Route("/metrics", server.show_metrics),
        Route("/openapi.json", server.describe),
    ]
    return Starlette(routes=routes, lifespan=server.lifespan)
