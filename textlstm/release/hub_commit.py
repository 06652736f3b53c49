"""One commit and never two: the files are sent first, and an unclear answer to the commit is looked into."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, cast

from textlstm.errors import HubError, first_line
from textlstm.release.hub_errors import client_errors, explain, unclear, without_tokens

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

_LOOKED_THROUGH = 20

Tell = Callable[[str], None]
"""Takes sentences on how it goes."""


@dataclass(frozen=True)
class Target:
    """Where a commit goes; the names are those of the client's parameters.

    Attributes:
        repo_id: such as "user/model".
        revision: branch; None is the main one.
        create_pr: whether to propose it as a pull request.
    """

    repo_id: str
    revision: str | None = None
    create_pr: bool = False


@dataclass(frozen=True)
class Made:
    """A commit that is there.

    Attributes:
        commit: its id.
        url: where to look at it, or at its pull request.
    """

    commit: str
    url: str


def send_files(api: HfApi, additions: list[CommitOperationAdd], target: Target, tell: Tell) -> None:
    """Send the large files, which no revision shows yet: by Xet, or by plain HTTP where that does not work.

    Args:
        api: the client.
        additions: all files of the commit; those that are sent know it afterwards.
        target: where the commit will go.
        tell: is told of the fall back to plain HTTP.
    """
    from importlib.util import find_spec

    from huggingface_hub import constants, errors

    if find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET:
        try:
            api.preupload_lfs_files(additions=additions, free_memory=False, **asdict(target))
            return
        except errors.HfHubHTTPError:  # an answer of the Hub itself, which plain HTTP would get as well
            raise
        except (RuntimeError, OSError, ValueError) as error:
            reason = without_tokens(first_line(error))[:200]
            tell(f"The upload by Xet did not work ({reason}); sent by plain HTTP, as with HF_HUB_DISABLE_XET=1.")
    with _without_xet():
        api.preupload_lfs_files(additions=additions, free_memory=False, **asdict(target))


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


def commit_once(
    api: HfApi,
    operations: list[CommitOperationAdd | CommitOperationDelete],
    target: Target,
    *,
    message: str,
    head: str,
    tell: Tell,
) -> Made:
    """Make one commit, and never two.

    The client tries single requests again by itself, but not the commit. Where nobody knows whether that was made, the
    branch is looked at: a commit of ours is taken as done, and where there is none it is sent once more, tied to the
    head that was seen, so that a late first one makes the second one fail. A pull request has no such head, so it is
    not sent twice.

    Args:
        api: the client.
        operations: files to add and to delete.
        target: where it goes.
        message: of the commit.
        head: id of the commit that it follows.
        tell: is told what came of looking.

    Returns:
        The commit.

    Raises:
        HubError: whether the commit was made is not known, since looking did not work either.
    """
    mark = uuid.uuid4().hex  # tells our commit from another one with the same message
    again = not target.create_pr  # a commit that is not there may be sent once more, a second proposal not
    while True:
        try:
            made = api.create_commit(
                operations=operations,
                commit_message=message,
                commit_description=f"Pushed with textlstm ({mark}).",
                parent_commit=None if target.create_pr else head,
                **asdict(target),
            )
        except client_errors() as error:
            if not unclear(error):
                raise
            try:
                found = (
                    _look_for_proposal(api, target, message, mark)
                    if target.create_pr
                    else _look_for_commit(api, target, mark, head)
                )
            except client_errors() as second:
                said = explain(error, target.repo_id, api.endpoint, doing="push to")
                raise HubError(
                    f"{said} Whether the commit was made is not known, since looking did not work either; look at"
                    f" {api.endpoint}/{target.repo_id}/commits/{target.revision or 'main'} before you push again."
                ) from second
            if found is not None:
                tell("The Hub did not say whether it took the commit; it did.")
                return found
            if not again:
                raise
            again = False
            tell("The Hub did not say whether it took the commit; it did not, so it is sent once more.")
        else:
            return Made(cast(str, made.oid), cast(str, made.pr_url or made.commit_url))


def _look_for_commit(api: HfApi, target: Target, mark: str, head: str) -> Made | None:
    """Look once for our commit, among those that came after the head that we saw."""
    commits = api.list_repo_commits(target.repo_id, revision=target.revision)
    since = takewhile(lambda one: one.commit_id != head, commits)
    for commit in islice(since, _LOOKED_THROUGH):
        if mark in commit.message:
            return Made(commit.commit_id, f"{api.endpoint}/{target.repo_id}/commit/{commit.commit_id}")
    return None


def _look_for_proposal(api: HfApi, target: Target, message: str, mark: str) -> Made | None:
    """Look once for our pull request, among the newest of its title."""
    proposals: Any = api.get_repo_discussions(target.repo_id, discussion_type="pull_request")
    for proposal in islice((one for one in proposals if one.title == message), _LOOKED_THROUGH):
        newest = api.list_repo_commits(target.repo_id, revision=f"refs/pr/{proposal.num}")[0]
        if mark in newest.message:
            return Made(newest.commit_id, f"{api.endpoint}/{target.repo_id}/discussions/{proposal.num}")
    return None
