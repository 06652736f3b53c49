"""Where pretrained vectors lie: a file, one packed by gzip or zip, a model's folder, a file or a model on the Hub."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from textlstm.errors import DataError, first_line
from textlstm.text.archives import BROKEN_ARCHIVE, member_names

HEAD = 1 << 18
"""Bytes of a file that are looked at to know its format."""
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 20
_HUB = re.compile(
    r"(?:hf://)?(?P<datasets>datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?:/(?P<path>.+))?"
)
_MODEL_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "0_StaticEmbedding/*", "1_Pooling/*"]
_DIGESTED = ("*.safetensors", "*.json", "*.txt", "*.model")


@dataclass(frozen=True)
class Place:
    """One source of vectors on this machine.

    Attributes:
        name: as the user wrote it.
        path: a file or a folder.
        member: the file inside a zip archive; None for what is no archive.
    """

    name: str
    path: Path
    member: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a model's folder."""
        return self.path.is_dir()

    @property
    def is_packed(self) -> bool:
        """Whether it is an archive, of gzip or zip."""
        if self.member is not None:
            return True
        with self.path.open("rb") as file:
            return file.read(2) == _GZIP


def find_place(source: str) -> Place:
    """Find vectors, fetching them from the Hub where they are nowhere here.

    Args:
        source: path of a file or folder; `archive.zip/member.txt` for one of several files in an archive; a Hub model
            `owner/name`, or a file on the Hub `hf://owner/name/path` (`hf://datasets/owner/name/path`, `@revision`).

    Returns:
        The place.

    Raises:
        DataError: there is nothing at that place, it cannot be reached, or an archive's file is to be named.
    """
    path = Path(source).expanduser()
    if path.exists():
        return Place(source, path, _only_member(path) if _is_zip(path) else None)
    for parent in path.parents:
        if parent.is_file() and _is_zip(parent):
            member = path.relative_to(parent).as_posix()
            if member not in _members(parent):
                raise DataError(
                    f"{parent} holds {', '.join(_members(parent)[:6])}, and {member} is none of them; check the"
                    " spelling."
                )
            return Place(source, parent, member)
    hub = _HUB.fullmatch(source)
    if hub is None or source.startswith((".", "/", "~")):
        raise DataError(
            f"Vectors should be a file, a model's folder or a Hub id, and there is nothing at {source!r}; check the"
            " path."
        )
    found = _fetch(source, hub)
    return Place(source, found, _only_member(found) if found.is_file() and _is_zip(found) else None)


def _fetch(source: str, hub: re.Match[str]) -> Path:
    """Fetch a model or a file from the Hub, or take it from the local cache."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HFValidationError

    kind = "dataset" if hub["datasets"] else "model"
    try:
        if hub["path"]:
            return Path(hf_hub_download(hub["repo"], hub["path"], repo_type=kind, revision=hub["revision"]))
        return Path(snapshot_download(hub["repo"], revision=hub["revision"], allow_patterns=_MODEL_FILES))
    except (OSError, ValueError, HFValidationError) as error:
        reason = first_line(error)
        raise DataError(
            f"Vectors should be a file or a folder here, or a Hub id that can be reached, and {source!r} is neither"
            f" ({reason}); check the spelling and the network."
        ) from None


def _is_zip(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):  # the second: an archive of nothing
            return False
    return path.suffix != ".npz"  # numpy's own archive, read by numpy


def _members(path: Path) -> list[str]:
    """The files of an archive that may hold vectors."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = member_names(archive)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} should be a zip archive and is damaged ({error}); fetch it again.") from None
    if any(name.endswith("data.pkl") for name in names):
        raise DataError(_PICKLE.format(path))
    return names


def _only_member(path: Path) -> str:
    names = _members(path)
    if len(names) != 1:
        raise DataError(
            f"{path} holds {len(names)} files ({', '.join(names[:6])}); say which, such as {path / names[0]!s}."
            if names
            else f"{path} is an empty archive; fetch it again."
        )
    return names[0]


_PICKLE = (
    "{} is a pickle, which can run any code when it is read, so it is not; save the vectors as word2vec text or binary,"
    " as safetensors or as .npy, and name that file."
)


@contextmanager
def opened(place: Place) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked.

    Args:
        place: a file.

    Yields:
        A buffered stream at its beginning, behind a byte order mark; damaged archives raise `BROKEN_ARCHIVE`.
    """
    with ExitStack() as stack:
        plain = file = cast(io.BufferedReader, stack.enter_context(place.path.open("rb", buffering=_BUFFER)))
        inner: object = None
        if place.member is not None:
            inner = stack.enter_context(stack.enter_context(zipfile.ZipFile(plain)).open(place.member))
        elif plain.peek(2)[:2] == _GZIP:
            inner = stack.enter_context(gzip.open(plain))
        if inner is not None:
            file = io.BufferedReader(cast(io.RawIOBase, inner), _BUFFER)
        if file.peek(3)[:3] == codecs.BOM_UTF8:
            file.read(3)
        yield file


def head_of(place: Place) -> bytes:
    """Read the beginning of a file.

    Args:
        place: a file.

    Returns:
        At most `HEAD` bytes, unpacked.

    Raises:
        DataError: the file is empty, a pickle, a web page, a pointer to a file that was not fetched, or an archive
            that is damaged at its beginning.
    """
    try:
        with opened(place) as file:
            head = file.read(HEAD)
    except (*BROKEN_ARCHIVE, RuntimeError, OSError) as error:
        # zipfile's RuntimeError: a password, or a method that it lacks; its OSError: a place that no file has.
        nowhere = isinstance(error, OSError) and place.member is not None and error.errno == errno.EINVAL
        if not nowhere and not isinstance(error, (*BROKEN_ARCHIVE, RuntimeError)):
            raise
        raise DataError(
            f"{place.name} is an archive whose beginning cannot be unpacked ({error}); fetch it again, or unpack it."
        ) from None
    problem = None
    if not head.strip():
        problem = f"{place.name} is empty; fetch it again."
    elif head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        problem = _PICKLE.format(place.name)
    elif head.startswith(b"version https://git-lfs"):
        problem = (
            f"{place.name} is a Git LFS pointer and not the file itself; run `git lfs pull`, or download the file."
        )
    elif re.match(rb"\s*<(!doctype|html|\?xml)", head[:64].lower()):
        problem = f"{place.name} is a web page and not vectors; the download went to a page about the file."
    if problem:
        raise DataError(problem)
    return head


def digest_of(place: Place) -> str:
    """Hash what the vectors are made of, so that another file at the same path is noticed.

    Args:
        place: a file, or a folder of which weights, tokenizer and settings count.

    Returns:
        16 hexadecimal digits; kept for the life of the process, as long as sizes and times stay.
    """
    path = place.path
    files = [path] if path.is_file() else sorted({file for glob in _DIGESTED for file in path.rglob(glob)})
    stamps = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _digest(stamps, place.member, str(path) if path.is_dir() else "")


@lru_cache(maxsize=64)
def _digest(stamps: tuple[tuple[str, int, int], ...], member: str | None, folder: str) -> str:
    content = hashlib.sha256((member or "").encode())
    for name, _, _ in stamps:
        if folder:
            content.update(Path(name).relative_to(folder).as_posix().encode())
        with Path(name).open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()[:16]
