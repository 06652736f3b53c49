"""A queue in front of a model: texts of requests that arrive together are answered in one batch."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.inference.predictor import Predictor


class QueueFullError(Exception):
    """More texts wait than may."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """One request's texts, and where its answer goes."""

    texts: list[str]
    answer: asyncio.Future[NDArray[np.float32]]


class TextQueue:
    """Batches the texts of concurrent requests; nothing waits for a batch to fill, what is there is taken.

    Attributes:
        waiting: texts that wait.
        answered: texts that were answered.
        cut: texts among them that were longer than the model reads.
        batches: times that the model was asked.
    """

    def __init__(
        self, predictor: Predictor, *, batch_tokens: int, batch_rows: int | None, together: int, most_waiting: int
    ) -> None:
        """Put a queue in front of a model.

        Args:
            predictor: the model.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold; None takes what suits what runs the model.
            together: texts that the model is asked for together.
            most_waiting: texts that may wait.
        """
        self.predictor = predictor
        self.batch_tokens, self.batch_rows = batch_tokens, batch_rows
        self.together, self.most_waiting = together, most_waiting
        self.waiting = self.answered = self.cut = self.batches = 0
        self._requests: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    async def logits(self, texts: list[str]) -> NDArray[np.float32]:
        """Ask the model, when it is this request's turn.

        Args:
            texts: of one request.

        Returns:
            (texts, classes), divided by the calibration's temperature.

        Raises:
            QueueFullError: too many texts wait already.
        """
        if self.waiting + len(texts) > self.most_waiting:
            raise QueueFullError
        answer: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._requests.append(_Waiting(texts, answer))
        self.waiting += len(texts)
        self._arrived.set()
        return await answer

    async def work(self) -> None:
        """Answer requests in the order in which they came, until cancelled; an error of the model is theirs."""
        while True:
            await self._arrived.wait()
            together = self._next()
            texts = [text for request in together for text in request.texts]
            try:
                logits = await asyncio.to_thread(self._ask, texts)
            except Exception as error:  # whatever it is, the requests must hear of it and the queue go on
                for request in together:
                    if not request.answer.done():
                        request.answer.set_exception(error)
                continue
            start = 0
            for request in together:
                end = start + len(request.texts)
                if not request.answer.done():  # it is, where whoever asked has gone
                    request.answer.set_result(logits[start:end])
                start = end

    def _next(self) -> list[_Waiting]:
        """Take the first request, and those behind it that fit into the same batch."""
        together = [self._requests.popleft()]
        count = len(together[0].texts)
        while self._requests and count + len(self._requests[0].texts) <= self.together:
            together.append(self._requests.popleft())
            count += len(together[-1].texts)
        self.waiting -= count
        if not self._requests:
            self._arrived.clear()
        return together

    def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        """Run the model, in a thread of its own."""
        encoded = self.predictor.encode(texts)
        logits = self.predictor.logits_of(encoded, batch_tokens=self.batch_tokens, batch_rows=self.batch_rows)
        self.batches, self.answered, self.cut = (
            self.batches + 1,
            self.answered + len(texts),
            self.cut + encoded.truncated,
        )
        calibration = self.predictor.calibration
        return logits if calibration is None else logits / np.float32(calibration.temperature)
