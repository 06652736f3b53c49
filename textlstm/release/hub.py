"""Push a model to a Hub in one commit.

Any server that speaks the Hub's API will do: set HF_ENDPOINT to its address before Python starts, or pass `endpoint`.
Servers without Xet storage get the files by plain HTTP, as with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from textlstm.errors import HubError, ModelError
from textlstm.release.bundle import Bundle, write_bundle
from textlstm.release.evaluation_results import look_up_at
from textlstm.release.hub_client import check_repo_id, hub_client
from textlstm.release.hub_commit import Target, Tell, commit_once, send_files
from textlstm.release.hub_errors import NOT_LOGGED_IN, plain_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MESSAGE = "Upload a text classifier trained with textlstm"
# What an earlier push may have left and this one does not write anew would be of another model.
_REPLACED = re.compile(
    r"onnx/.*|charts/.*|\.eval_results/textlstm\.yaml|model(-.*)?\.safetensors|.*\.index\.json"
    r"|(calibration|metrics|special_tokens_map)\.json|recipe\.yaml"
)


class Saveable(Protocol):
    """A model that writes itself into a folder, such as `training.trained.Trained` or a fitted `TextLSTMClassifier`."""

    def save(self, folder: Path) -> None:
        """Write weights, config and tokenizer."""


@dataclass(frozen=True)
class Pushed:
    """What came of a push.

    Attributes:
        url: of the commit, or of the pull request.
        commit: its id.
        changed: whether there was anything to change.
        files: bytes by published file.
        notes: sentences for the user.
    """

    url: str
    commit: str
    changed: bool
    files: dict[str, int]
    notes: list[str]


def push_to_hub(
    model: str | Path | Saveable,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    message: str = MESSAGE,
    grid: str | Path | None = None,
    license: str | None = None,
    languages: Iterable[str] = (),
    onnx: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    tell: Tell | None = None,
) -> Pushed:
    """Publish a model in one commit: all of it appears at once, or nothing does.

    Args:
        model: a folder that `textlstm train` wrote, what `train` returned, or a fitted `TextLSTMClassifier`.
        repo_id: such as "user/model"; made when it is not there.
        private: whether a new repository is private; None leaves it to the account's settings.
        revision: branch to commit to; made when it is not there.
        create_pr: whether to propose the commit as a pull request.
        message: of the commit.
        grid: the comparison that the depth was chosen from; one on the same data is looked for beside the model.
        license: identifier as the Hub knows it, such as "apache-2.0".
        languages: codes of the texts' languages, such as "en".
        onnx: whether to add the ONNX files, where the extra `onnx` is installed.
        token: access token; the one of `hf auth login` or HF_TOKEN when None.
        endpoint: address of the Hub; HF_ENDPOINT or huggingface.co when None.
        tell: takes sentences on how it goes.

    Returns:
        Where it is now.

    Raises:
        ModelError: the model's folder is incomplete, or `model` is no model.
        RunFolderError: the comparison is of other data.
        RecipeError: `repo_id` is none.
        HubError: something may not be published, or the Hub refused, failed or could not be reached.
    """
    check_repo_id(repo_id)
    _need_token(token)  # before the files are made, which takes a while
    speak = tell or _silent
    with tempfile.TemporaryDirectory(prefix="textlstm-push-") as scratch:
        source = _folder_of(model, Path(scratch) / "model")
        bundle = write_bundle(
            source,
            Path(scratch) / "bundle",
            repo_id=repo_id,
            grid=None if grid is None else Path(grid),
            license=license,
            languages=languages,
            onnx=onnx,
            look_up=look_up_at(hub_client(token, endpoint)),
        )
        for note in bundle.notes:
            speak(note)
        return push_bundle(
            bundle,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            message=message,
            token=token,
            endpoint=endpoint,
            tell=speak,
        )


def push_bundle(
    bundle: Bundle,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    message: str = MESSAGE,
    token: str | None = None,
    endpoint: str | None = None,
    tell: Tell | None = None,
) -> Pushed:
    """Publish a folder that is ready, in one commit, which `commit_once` sees to.

    Args:
        bundle: what `write_bundle` gave.
        repo_id: as in `push_to_hub`.
        private: as in `push_to_hub`.
        revision: as in `push_to_hub`.
        create_pr: as in `push_to_hub`.
        message: as in `push_to_hub`.
        token: as in `push_to_hub`.
        endpoint: as in `push_to_hub`.
        tell: as in `push_to_hub`.

    Returns:
        Where it is now.

    Raises:
        HubError: the Hub refused, failed or could not be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    speak = tell or _silent
    api = hub_client(token, endpoint)
    _need_token(token)
    target = Target(repo_id, revision, create_pr)
    with plain_errors(repo_id, api.endpoint, doing="push to", token=token):
        head = _prepare(api, target, private=private)
        present = {entry.path for entry in api.list_repo_tree(repo_id, recursive=True, revision=head)}
        stale = sorted(path for path in present - set(bundle.files) if _REPLACED.fullmatch(path))
        additions = [CommitOperationAdd(name, bundle.folder / name) for name in bundle.files]
        send_files(api, additions, target, speak)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [*additions, *map(CommitOperationDelete, stale)]
        made = commit_once(api, operations, target, message=message, head=head, tell=speak)
    return Pushed(made.url, made.commit, made.commit != head, bundle.files, bundle.notes)


def _need_token(token: str | None) -> None:
    """Refuse a push that nobody may make."""
    from huggingface_hub import get_token

    if token is None and get_token() is None:
        raise HubError(NOT_LOGGED_IN)


def _silent(_: str) -> None:
    """Tell nobody."""


def _folder_of(model: str | Path | Saveable, scratch: Path) -> Path:
    """Find the model's folder, or write the model into one."""
    if isinstance(model, str | Path):
        return Path(model)
    if not callable(getattr(model, "save", None)):
        raise ModelError(
            "push_to_hub takes a model's folder, what `train` returned or a fitted TextLSTMClassifier, and got a"
            f" {type(model).__name__}; save the model into a folder first."
        )
    model.save(scratch)
    run, predictions = getattr(model, "run", None), getattr(model, "predictions", None)
    if run is not None:  # what `train` returns knows how it was trained
        from textlstm.recipe import Recipe
        from textlstm.results import write_run

        write_run(scratch, run, predictions or {}, Recipe.model_validate(run.settings).to_yaml())
    return scratch


def _prepare(api: HfApi, target: Target, *, private: bool | None) -> str:
    """See to repository and branch; gives the id of the commit that ours will follow."""
    repo_id, revision = target.repo_id, target.revision
    if not target.create_pr:
        api.create_repo(repo_id, private=private, exist_ok=True)
    info = api.model_info(repo_id)
    if private and info.private is False:
        raise HubError(
            f"--private was asked for, and {repo_id} exists and is public; nothing was pushed. Make it private on its"
            " settings page, name another repository, or leave --private out."
        )
    if revision is None:
        return cast(str, info.sha)
    if not target.create_pr and not revision.startswith("refs/"):
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    return cast(str, api.model_info(repo_id, revision=revision).sha)
