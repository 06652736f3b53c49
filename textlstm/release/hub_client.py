"""The Hub's client as this package uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textlstm.errors import RecipeError

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def hub_client(token: str | None = None, endpoint: str | None = None) -> HfApi:
    """Make the Hub's client, under our name.

    Args:
        token: access token; the one of `hf auth login` or HF_TOKEN when None.
        endpoint: address of the Hub; HF_ENDPOINT or huggingface.co when None.

    Returns:
        The client.
    """
    from importlib.metadata import version

    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint, token=token, library_name="textlstm", library_version=version("textlstm"))


def check_repo_id(repo_id: str) -> None:
    """Refuse what can be no repository before anything is done.

    Args:
        repo_id: as the user gave it.

    Raises:
        RecipeError: it is not of the form USER/NAME, or has letters that the Hub does not take.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise RecipeError(f"A repository is written USER/NAME, and {repo_id!r} is none: {error}") from None
    if repo_id.count("/") != 1:
        raise RecipeError(f"A repository is written USER/NAME, and {repo_id!r} names no user; put one before it.")
