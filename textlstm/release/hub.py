"""Push a model to a Hub in one commit, and pull one back.

Any server that speaks the Hub's API will do: set HF_ENDPOINT to its address before Python starts, or pass `endpoint`.
Servers without Xet storage get the files by plain HTTP, as with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from textlstm.errors import HubError, ModelError, RecipeError, RunFolderError
from textlstm.release.bundle import Bundle, write_bundle
from textlstm.release.hub_errors import NOT_LOGGED_IN, client_errors, explain, plain_errors, unclear

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MESSAGE = "Upload a text classifier trained with textlstm"
# What an earlier push may have left and this one does not write anew would be of another model.
_REPLACED = re.compile(r"onnx/.*|charts/.*|\.eval_results/textlstm\.yaml|model-.*\.safetensors|.*\.index\.json")
_PULLED = ["*.json", "*.safetensors", "*.md", "*.yaml", "*.py", "onnx/*", "charts/*.png"]
_LOOKED_THROUGH = 20

Tell = Callable[[str], None]


class Saveable(Protocol):
    """A model that writes itself into a folder, such as `training.finetuning.Trained`."""

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
        model: a folder that `textlstm train` wrote, or what `train` returned.
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
        ModelError: the model's folder is incomplete.
        RunFolderError: the comparison is of other data.
        RecipeError: `repo_id` is none.
        HubError: something may not be published, or the Hub refused, failed or could not be reached.
    """
    check_repo_id(repo_id)
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
    """Publish a folder that is ready, in one commit.

    The client tries single requests again by itself, but not the commit. Where nobody knows whether that was made, the
    branch is looked at: a commit of ours is taken as done, and none is made again, tied to the head that was seen, so
    that a late first one makes the second one fail.

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
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    speak = tell or _silent
    api = _api(token, endpoint)
    if token is None and get_token() is None:
        raise HubError(NOT_LOGGED_IN)
    with plain_errors(repo_id, api.endpoint, doing="push to"):
        head = _prepare(api, repo_id, private=private, revision=revision, create_pr=create_pr)
        present = {entry.path for entry in api.list_repo_tree(repo_id, recursive=True, revision=head)}
        stale = sorted(path for path in present - set(bundle.files) if _REPLACED.fullmatch(path))
        additions = [CommitOperationAdd(name, bundle.folder / name) for name in bundle.files]
        target = {"repo_id": repo_id, "revision": revision, "create_pr": create_pr}
        _upload(api, additions, target, speak)
        # The mark tells our commit from another one with the same message.
        mark = uuid.uuid4().hex
        operations = [*additions, *(CommitOperationDelete(path) for path in stale if path in present)]
        done = _commit_once(api, operations, target, message=message, mark=mark, head=head, tell=speak)
    commit, url = done
    return Pushed(url, commit, commit != head, bundle.files, bundle.notes)


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
    api = _api(token, endpoint)
    # Beside its place, so that the last step is a renaming on one file system.
    with tempfile.TemporaryDirectory(prefix=".textlstm-pull-", dir=folder.absolute().parent) as scratch:
        fetched = Path(scratch) / "model"
        with plain_errors(repo_id, api.endpoint, doing="pull from"):
            api.snapshot_download(repo_id, revision=revision, local_dir=fetched, allow_patterns=_PULLED)
        shutil.rmtree(fetched / ".cache", ignore_errors=True)
        _refuse_other_models(fetched, repo_id)
        if folder.exists():
            folder.rmdir()
        fetched.rename(folder.absolute())
    return folder


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


def _silent(_: str) -> None:
    """Tell nobody."""


def _api(token: str | None, endpoint: str | None) -> HfApi:
    """The Hub's client, under our name."""
    from importlib.metadata import version

    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint, token=token, library_name="textlstm", library_version=version("textlstm"))


def _folder_of(model: str | Path | Saveable, scratch: Path) -> Path:
    """Find the model's folder, or write the model into one."""
    if isinstance(model, str | Path):
        return Path(model)
    model.save(scratch)
    run, predictions = getattr(model, "run", None), getattr(model, "predictions", None)
    if run is not None:  # what `train` returns knows how it was trained
        from textlstm.recipe import Recipe
        from textlstm.results import write_run

        write_run(scratch, run, predictions or {}, Recipe.model_validate(run.settings).to_yaml())
    return scratch


def _prepare(api: HfApi, repo_id: str, *, private: bool | None, revision: str | None, create_pr: bool) -> str:
    """See to repository and branch; gives the id of the commit that ours will follow."""
    if not create_pr:
        api.create_repo(repo_id, private=private, exist_ok=True)
    info = api.model_info(repo_id)
    if private and info.private is False:
        raise HubError(
            f"--private was asked for, and {repo_id} exists and is public; nothing was pushed. Make it private on its"
            " settings page, name another repository, or leave --private out."
        )
    if revision is None:
        return cast(str, info.sha)
    if not create_pr and not revision.startswith("refs/"):
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    return cast(str, api.model_info(repo_id, revision=revision).sha)


def _upload(api: HfApi, additions: list[Any], target: dict[str, Any], tell: Tell) -> None:
    """Send the large files, which no revision shows yet: by Xet, or by plain HTTP where that does not work."""
    from importlib.util import find_spec

    from huggingface_hub import constants, errors

    if find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET:
        try:
            api.preupload_lfs_files(additions=additions, free_memory=False, **target)
            return
        except errors.HfHubHTTPError:  # an answer of the Hub itself, which plain HTTP would get as well
            raise
        except (RuntimeError, OSError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            tell(f"The upload by Xet did not work ({reason}); sent by plain HTTP, as with HF_HUB_DISABLE_XET=1.")
    with _without_xet():
        api.preupload_lfs_files(additions=additions, free_memory=False, **target)


@contextmanager
def _without_xet() -> Iterator[None]:
    """Do for a while what HF_HUB_DISABLE_XET=1 does, which the client reads but once."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _commit_once(
    api: HfApi,
    operations: list[Any],
    target: dict[str, Any],
    *,
    message: str,
    mark: str,
    head: str,
    tell: Tell,
) -> tuple[str, str]:
    """Make one commit, and never two; gives its id and where to look at it."""
    pull_request = target["create_pr"]
    for attempt in (1, 2):
        try:
            made = api.create_commit(
                operations=operations,
                commit_message=message,
                commit_description=f"Pushed with textlstm ({mark}).",
                parent_commit=None if pull_request else head,
                **target,
            )
        except client_errors() as error:
            if not unclear(error):
                raise
            found = _look(api, error, target, message=message, mark=mark, head=head)
            if found is not None:
                tell("The Hub did not say whether it took the commit; it did.")
                return found
            # A pull request has no head that ties it: a late first one and a second one would both be made.
            if attempt == 2 or pull_request:
                raise
            tell("The Hub did not say whether it took the commit; it did not, so it is sent once more.")
        else:
            return cast(str, made.oid), cast(str, made.pr_url or made.commit_url)
    raise AssertionError("the second attempt returns or raises")


def _look(
    api: HfApi, error: Exception, target: dict[str, Any], *, message: str, mark: str, head: str
) -> tuple[str, str] | None:
    """Look once for our commit, among those that came after the head that we saw."""
    from huggingface_hub import errors, utils

    hub_utils: Any = utils
    repo_id, revision = target["repo_id"], target["revision"]
    try:
        if target["create_pr"]:
            proposals = api.get_repo_discussions(repo_id, discussion_type="pull_request")
            for proposal in islice((one for one in proposals if one.title == message), _LOOKED_THROUGH):
                newest = api.list_repo_commits(repo_id, revision=f"refs/pr/{proposal.num}")[0]
                if mark in newest.message:
                    return newest.commit_id, f"{api.endpoint}/{repo_id}/discussions/{proposal.num}"
            return None
        since = takewhile(lambda one: one.commit_id != head, api.list_repo_commits(repo_id, revision=revision))
        for commit in islice(since, _LOOKED_THROUGH):
            if mark in commit.message:
                return commit.commit_id, f"{api.endpoint}/{repo_id}/commit/{commit.commit_id}"
    except (errors.HfHubHTTPError, hub_utils.httpx.HTTPError, OSError) as second:
        raise HubError(
            f"{explain(error, repo_id, api.endpoint, doing='push to')} Whether the commit was made is not known, since"
            f" looking did not work either; look at {api.endpoint}/{repo_id}/commits/{revision or 'main'} before you"
            " push again."
        ) from second
    return None


def _refuse_other_models(folder: Path, repo_id: str) -> None:
    """Refuse what was fetched and is no model of ours."""
    import json

    path = folder / "config.json"
    kind = json.loads(path.read_text("utf-8")).get("model_type") if path.exists() else None
    if kind != "textlstm":
        raise ModelError(
            f"{repo_id} should hold a textlstm model and its config.json says model_type {kind!r}; load that one with"
            " transformers' own classes."
        )
