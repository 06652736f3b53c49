"""What a Hub answers when it does not do what it was asked, as one sentence each; never with a token in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textlstm.errors import HubError


@contextmanager
def plain_errors(repo_id: str, endpoint: str, *, doing: str, token: str | None = None) -> Iterator[None]:
    """Turn what the Hub's client raises into `HubError`.

    Args:
        repo_id: such as "user/model".
        endpoint: address of the Hub.
        doing: what was tried, such as "push to".
        token: that was given by hand, which no message may repeat; the client's own is known.

    Yields:
        Nothing; errors of other kinds pass.

    Raises:
        HubError: the Hub refused, failed, or could not be reached.
    """
    try:
        yield
    except client_errors() as error:
        raise HubError(without_tokens(explain(error, repo_id, endpoint, doing=doing), token)) from None
    except HubError as error:
        raise HubError(without_tokens(str(error), token)) from None


def client_errors() -> tuple[type[Exception], ...]:
    """List what the Hub's client raises when something is wrong with the Hub or on the way to it.

    Returns:
        Classes for an `except`.
    """
    from huggingface_hub import errors, utils

    hub_utils: Any = utils  # the client's own HTTP library, which its types do not export
    return (
        errors.HfHubHTTPError,
        errors.OfflineModeIsEnabled,
        errors.LocalTokenNotFoundError,
        errors.LocalEntryNotFoundError,
        errors.FileMetadataError,
        errors.XetDownloadError,
        hub_utils.httpx.HTTPError,
        hub_utils.httpx.InvalidURL,
        ValueError,  # metadata that the Hub does not take, ids that are none, answers that are no JSON
        KeyError,  # answers that lack what they should have
        RuntimeError,  # an upload of a file, with its reason behind it
    )


def explain(error: BaseException, repo_id: str, endpoint: str, *, doing: str) -> str:
    """Word what went wrong.

    Args:
        error: what the client raised; the causes behind it are looked at too.
        repo_id: such as "user/model".
        endpoint: address of the Hub.
        doing: what was tried, such as "push to".

    Returns:
        One or two sentences: what was found, the likely cause, the mend.
    """
    from huggingface_hub import errors

    causes = list(_causes(error))
    if any(isinstance(cause, errors.OfflineModeIsEnabled) for cause in causes):
        return f"To {doing} {repo_id} needs a network, and HF_HUB_OFFLINE is set; unset it, or use --dry-run."
    if any(isinstance(cause, errors.LocalTokenNotFoundError) for cause in causes):
        return NOT_LOGGED_IN
    answer = next((cause for cause in causes if isinstance(cause, errors.HfHubHTTPError)), None)
    # The client words what a Hub finds wrong with a card by a ValueError of its own, in front of the answer.
    worded = isinstance(error, ValueError) and not isinstance(error, errors.HfHubHTTPError)
    if answer is not None and not worded:
        return _answered(answer, repo_id, endpoint, doing=doing)
    if unreachable(error):
        reason = without_tokens(" ".join(str(causes[-1]).split())) or type(causes[-1]).__name__
        return (
            f"{endpoint} could not be reached, or broke off ({reason}); check the network and HF_ENDPOINT, and try"
            " again: what is uploaded already is not sent twice."
        )
    if isinstance(error, KeyError | TypeError | AttributeError):
        return (
            f"{endpoint} was asked to {doing} {repo_id}, and its answer lacks what a Hub's has ({error}); check that"
            " HF_ENDPOINT names a Hub, and try again."
        )
    reason = without_tokens(": ".join(dict.fromkeys(" ".join(str(cause).split()) for cause in causes)))
    return f"{endpoint} was asked to {doing} {repo_id}, and it did not work: {reason.rstrip('.')}."


NOT_LOGGED_IN = (
    "A push needs an access token with the right to write, and none was found; run `hf auth login`, or set HF_TOKEN."
)


def _answered(error: Any, repo_id: str, endpoint: str, *, doing: str) -> str:  # noqa: ANN401 - the client's error
    """Word a refusal by its status."""
    status = error.response.status_code
    said = without_tokens(str(error.server_message or "").strip().rstrip("."))
    said = f", saying: {' '.join(said.split())[:300]}" if said else ""
    known = {
        400: f"{endpoint} did not take what was sent{said}; the card's metadata or the repository's name is likely"
        " wrong.",
        401: f"{endpoint} did not accept the access token, or {repo_id} is private and none was sent (401){said}; run"
        " `hf auth login`, or check HF_TOKEN, which comes first where it is set.",
        403: f"The access token may not {doing} {repo_id} (403){said}; use one with the right to write there, or name"
        " a repository of your own.",
        404: f"{endpoint} has no {repo_id} at that revision, or the token may not see it (404){said}; check the"
        " spelling of repository and revision.",
        409: f"{repo_id} is being changed by somebody else just now (409){said}; nothing was overwritten, push again.",
        412: f"{repo_id} was changed since the push began (412){said}; nothing was overwritten, push again.",
        413: f"{endpoint} finds what was sent too large (413){said}; leave the ONNX files out, or ask its owner.",
        429: f"{endpoint} asks to slow down (429){said}; wait{_seconds(error.response)}, and try again.",
    }
    if status in known:
        return known[status]
    if status >= 500:
        return f"{endpoint} has trouble of its own ({status}){said}; wait{_seconds(error.response)}, and try again."
    return f"{endpoint} answered {status} when asked to {doing} {repo_id}{said}."


def _seconds(response: Any) -> str:  # noqa: ANN401 - a response of the client's HTTP library
    """How long the server asks to wait, where it says so."""
    after = str(response.headers.get("Retry-After", ""))
    return f" {after} seconds" if after.isdigit() else " a little"


def unreachable(error: BaseException) -> bool:
    """Tell a broken connection from an answer.

    Args:
        error: what the client raised.

    Returns:
        True where the server's answer never came, so that nobody knows what it did.
    """
    from huggingface_hub import errors, utils

    hub_utils: Any = utils
    causes = list(_causes(error))
    if any(isinstance(cause, errors.HfHubHTTPError) for cause in causes):
        return False
    return any(isinstance(cause, hub_utils.httpx.TransportError | ConnectionError) for cause in causes)


def unclear(error: BaseException) -> bool:
    """Tell whether the server may have done what it was asked although it did not say so.

    Args:
        error: what the client raised.

    Returns:
        True for broken connections, answers that cannot be read, and errors of the server (5xx).
    """
    from huggingface_hub import errors

    answers = [cause for cause in _causes(error) if isinstance(cause, errors.HfHubHTTPError)]
    if answers:
        return answers[0].response.status_code >= 500
    return unreachable(error) or any(isinstance(cause, ValueError | KeyError) for cause in _causes(error))


def without_tokens(text: str, token: str | None = None) -> str:
    """Take access tokens out of a text, and names and passwords out of addresses.

    Args:
        text: what a server or a library said.
        token: one that was given by hand; the client's own, and those of the Hub's form, are known.

    Returns:
        The text with `<token>` in the place of each.
    """
    from huggingface_hub import get_token

    for known in (token, get_token()):
        if known:
            text = text.replace(known, "<token>")
    text = re.sub(r"(?<=://)[^/\s@]+@", "", text)
    return re.sub(r"(?<!\w)hf_[A-Za-z0-9]{8,}|(?i:bearer)\s+\S+", "<token>", text)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what is behind it, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
