"""Requests and answers of the server, in the form of the Hub's text-classification API, and their description.

Request: {"inputs": "a text" or ["a text", ...], "parameters": {"top_k": 3, "function_to_apply": "softmax"}}
Answer: one list a text, the most probable label first: [[{"label": "pos", "score": 0.9}, ...], ...]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.inference.decisions import probabilities_from_logits

FUNCTIONS = ("softmax", "sigmoid", "none")
_PARAMETERS = ("top_k", "function_to_apply")


@dataclass(frozen=True)
class Question:
    """What a request asks.

    Attributes:
        texts: to be labeled.
        top_k: how many labels to give; None gives all.
        function: what makes scores of logits, one of `FUNCTIONS`; None takes the model's own.
    """

    texts: list[str]
    top_k: int | None = None
    function: str | None = None


def read_question(body: bytes, *, most_texts: int) -> Question:
    """Read a request's body.

    Args:
        body: JSON.
        most_texts: texts that one request may hold.

    Returns:
        The question.

    Raises:
        DataError: it is not of the form above.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"The body should be JSON and is not ({error}).") from error
    if not isinstance(found, dict) or "inputs" not in found:
        raise DataError('The body should be an object such as {"inputs": "a text"}, and has no "inputs".')
    inputs, parameters = found["inputs"], found.get("parameters") or {}
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise DataError('"inputs" should be a text or a list of at least one, and is something else.')
    if len(texts) > most_texts:
        raise DataError(f'"inputs" may hold {most_texts} texts, and holds {len(texts)}; send several requests.')
    if not isinstance(parameters, dict):
        raise DataError('"parameters" should be an object such as {"top_k": 3}.')
    if unknown := [name for name in parameters if name not in _PARAMETERS]:
        raise DataError(f'"parameters" may hold {" and ".join(_PARAMETERS)}, and holds {unknown[0]!r}.')
    top_k, function = parameters.get("top_k"), parameters.get("function_to_apply")
    if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
        raise DataError(f'"top_k" should be a whole number from 1 on, and is {top_k!r}.')
    if function is not None and function not in FUNCTIONS:
        raise DataError(f'"function_to_apply" should be one of {", ".join(FUNCTIONS)}, and is {function!r}.')
    return Question(texts, top_k, function)


def write_answer(
    question: Question, logits: NDArray[np.float32], label_names: Sequence[str], *, multi_label: bool
) -> list[list[dict[str, Any]]]:
    """Make the answer of logits.

    Args:
        question: the request.
        logits: (texts, classes).
        label_names: in the order of the columns.
        multi_label: whether the model's own function is a sigmoid.

    Returns:
        For each text labels and scores, the highest first; of equal scores the first label counts.
    """
    scores: NDArray[Any] = logits
    if question.function != "none":
        sigmoid = multi_label if question.function is None else question.function == "sigmoid"
        scores = probabilities_from_logits(logits, multi_label=sigmoid)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : question.top_k]
    return [
        [{"label": label_names[column], "score": float(row[column])} for column in columns]
        for row, columns in zip(scores, order.tolist(), strict=True)
    ]


def describe_api(label_names: Sequence[str], *, version: str, most_texts: int, body_bytes: int) -> dict[str, Any]:
    """Describe the server in OpenAPI 3.1.

    Args:
        label_names: of the model.
        version: of this package.
        most_texts: texts that one request may hold.
        body_bytes: bytes that a request's body may have.

    Returns:
        The document.
    """
    text = {"type": "string"}
    entry = {
        "type": "object",
        "required": ["label", "score"],
        "properties": {"label": {"type": "string", "enum": list(label_names)}, "score": {"type": "number"}},
    }
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"oneOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": most_texts}]},
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "top_k": {"type": "integer", "minimum": 1, "description": "labels to give; all by default"},
                    "function_to_apply": {"type": "string", "enum": list(FUNCTIONS)},
                },
            },
        },
    }
    problem = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    failures = {
        "400": "the body is not of this form",
        "408": "the body did not arrive in time",
        "413": f"the body has more than {body_bytes} bytes",
        "500": "the model failed",
        "503": "too many texts wait; try again after the seconds in Retry-After",
    }
    answers: dict[str, Any] = {
        "200": _answer("one list a text", {"type": "array", "items": {"type": "array", "items": entry}})
    }
    answers |= {status: _answer(words, problem) for status, words in failures.items()}
    plain = {"200": {"description": "plain text", "content": {"text/plain": {"schema": text}}}}
    ask = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": answers,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "textlstm", "version": version, "description": "Labels texts."},
        "paths": {
            "/": {"post": {"operationId": "classify", "summary": "Label texts", **ask}},
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the model answers",
                    "responses": {"200": _answer("it does", {"type": "object"})},
                }
            },
            "/metrics": {"get": {"operationId": "metrics", "summary": "Counts for Prometheus", "responses": plain}},
        },
    }


def _answer(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
