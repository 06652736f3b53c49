"""Fetch a published model from a Hub."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from textlstm.errors import ModelError, RunFolderError, first_line
from textlstm.release.hub_client import check_repo_id, hub_client
from textlstm.release.hub_errors import plain_errors

_PULLED = ["*.json", "*.safetensors", "*.md", "*.yaml", "*.py", "onnx/*", "charts/*.png"]


def pull_from_hub(
    repo_id: str,
    out: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> Path:
    """Fetch a published model into a folder, which is there whole or not at all.

    Python files of the repository are fetched and not run; textlstm loads the weights with its own code.

    Args:
        repo_id: such as "user/model".
        out: a folder that is empty or not there yet.
        revision: branch, tag or commit.
        token: access token, for private repositories; as in `push_to_hub`.
        endpoint: address of the Hub; as in `push_to_hub`.

    Returns:
        The folder.

    Raises:
        RecipeError: `repo_id` is none.
        RunFolderError: `out` holds something.
        ModelError: the repository holds another kind of model.
        HubError: the Hub refused, failed or could not be reached.
    """
    check_repo_id(repo_id)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{out} should be an empty folder or not there yet, and holds something; name another.")
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    api = hub_client(token, endpoint)
    # Beside its place, so that the last step is a renaming on one file system.
    with tempfile.TemporaryDirectory(prefix=".textlstm-pull-", dir=folder.absolute().parent) as scratch:
        fetched = Path(scratch) / "model"
        with plain_errors(repo_id, api.endpoint, doing="pull from", token=token):
            api.snapshot_download(repo_id, revision=revision, local_dir=fetched, allow_patterns=_PULLED)
        shutil.rmtree(fetched / ".cache", ignore_errors=True)
        _refuse_other_models(fetched, repo_id)
        if folder.exists():
            folder.rmdir()
        fetched.rename(folder.absolute())
    return folder


def _refuse_other_models(folder: Path, repo_id: str) -> None:
    """Refuse what was fetched and is no model of ours."""
    path = folder / "config.json"
    try:
        settings = json.loads(path.read_text("utf-8")) if path.exists() else {}
        kind = settings.get("model_type")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{repo_id} should hold a textlstm model, and its config.json cannot be read ({first_line(error)}); ask its"
            " owner, or pull another revision."
        ) from error
    if kind != "textlstm":
        raise ModelError(
            f"{repo_id} should hold a textlstm model and its config.json says model_type {kind!r}; load that one with"
            " transformers' own classes."
        )
