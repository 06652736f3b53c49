"""From what the user names to tables: memory, a path, an embedded corpus, a mirror, then the Hugging Face Hub."""

from __future__ import annotations

import difflib
import http.client
import logging
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from textlstm.errors import DataError
from textlstm.text import corpora
from textlstm.text.archives import leads_out
from textlstm.text.files import COMPRESSIONS, KIND_OF_SUFFIX
from textlstm.text.folders import splits_in_path
from textlstm.text.tables import RawSplit, raw_table, split_of, splits_in_memory

MIRRORS = "TEXTLSTM_DATA_DIR"
"""The environment variable that names a folder of mirrored data sets, one folder each."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def find_splits(
    source: object,
    *,
    name: str | None,
    revision: str | None,
    mirror: str | None,
    encoding: str | None,
    drop_bad_rows: bool,
    notes: list[str],
) -> dict[str, RawSplit]:
    """Read whatever the user named.

    A string is tried as an embedded corpus, a path, a mirror (`TEXTLSTM_DATA_DIR`) and, if it has the
    form USER/NAME, the Hub, in this order.

    Args:
        source: a name, a path, or data in memory.
        name: configuration of a Hub data set.
        revision: branch, tag or commit of a Hub data set.
        mirror: folder name below `TEXTLSTM_DATA_DIR`; without it the source and its last path part are tried.
        encoding: of text files.
        drop_bad_rows: leave out rows that cannot be read, with a note.
        notes: takes sentences for the user.

    Returns:
        Splits by name.

    Raises:
        DataError: when nothing is found under that name, or it cannot be read.
    """
    if not isinstance(source, (str, Path)):
        return splits_in_memory(source)
    text = str(source)
    if isinstance(source, str) and text.partition(":")[0] in corpora.CORPORA:
        return _corpus(text)
    path = Path(source).expanduser()
    if text and path.exists():
        return splits_in_path(path, encoding=encoding, drop_bad_rows=drop_bad_rows, notes=notes)
    if not text or isinstance(source, Path) or _looks_like_path(text):
        raise DataError(_not_there(path))
    if folder := _mirror_folder(text, mirror):
        pinned = ", ".join(f"{k} {v!r}" for k, v in (("configuration", name), ("revision", revision)) if v)
        notes.append(f"Read from the mirror {folder}{f' (its {pinned} was not checked)' if pinned else ''}.")
        return splits_in_path(folder, encoding=encoding, drop_bad_rows=drop_bad_rows, notes=notes)
    if "/" not in text:
        raise DataError(_no_such_name(text, mirror))
    return _from_hub(text, name, revision, mirror, notes)


def _corpus(spec: str) -> dict[str, RawSplit]:
    """Make an embedded corpus; its class names travel as the Hub's do."""
    splits, label_names = corpora.generate(spec)
    result = {}
    for split, (texts, labels) in splits.items():
        names = pa.array(label_names, pa.large_string())
        classes = pa.DictionaryArray.from_arrays(pa.array(labels, pa.int32()), names, ordered=True)
        table = pa.table({"text": pa.array(texts, pa.large_string()), "label": classes})
        result[split] = raw_table(table, f"{spec} {split}")
    return result


def _looks_like_path(text: str) -> bool:
    """Tell a path that does not exist from a name or the id of a Hub data set."""
    suffix = Path(text).suffix.lower()
    return (
        suffix in KIND_OF_SUFFIX
        or suffix in COMPRESSIONS
        or text.startswith((".", "~", "/"))
        or ("/" in text and not _HUB_ID.fullmatch(text))
    )


def _not_there(path: Path) -> str:
    """Say that a path does not exist, and what lies near it."""
    if not str(path) or str(path) == ".":
        return "No data was named; give a file, a folder, an embedded corpus or the id of a Hub data set."
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f" Did you mean {path.parent / near[0]}?" if near else f" It was looked for in {path.absolute().parent}."
    return f"{path} does not exist: a data file or folder was expected.{hint}"


def _mirror_folder(source: str, mirror: str | None) -> Path | None:
    """Find the mirrored copy of a data set, if there is one."""
    root = os.environ.get(MIRRORS)
    if not root:
        return None
    if not Path(root).is_dir():
        raise DataError(f"{MIRRORS} names {root}, which is no folder; set it to a folder of data sets, or unset it.")
    if mirror and leads_out(mirror):
        raise DataError(
            f"data.mirror should name a folder inside {MIRRORS}, such as sst2, and {mirror!r} leads out of it; to read"
            " data from another place, name its path as data.source."
        )
    for candidate in [mirror] if mirror else [source, source.rpartition("/")[2]]:
        if not leads_out(candidate) and (folder := Path(root) / candidate).is_dir():
            return folder
    return None


def _no_such_name(text: str, mirror: str | None) -> str:
    """Say that a name leads nowhere, and which name is nearest to it."""
    root = os.environ.get(MIRRORS)
    folders = [Path.cwd(), *([Path(root)] if root else [])]
    known = [*corpora.CORPORA, *(entry.name for folder in folders for entry in folder.iterdir())]
    near = difflib.get_close_matches(mirror or text.partition(":")[0], known, n=1)
    return (
        f"{text!r} is no embedded corpus ({', '.join(corpora.CORPORA)}), no file or folder in {folders[0]}, and has no "
        f"copy named {mirror or text!r} in {_mirror_place()}."
        + (f" Did you mean {near[0]}?" if near else "")
        + " Ids of the Hugging Face Hub are written USER/NAME."
    )


def _mirror_place() -> str:
    """Name the folder of mirrors for a message."""
    root = os.environ.get(MIRRORS)
    return f"{root} (from {MIRRORS})" if root else f"a mirror ({MIRRORS} is not set)"


def _from_hub(
    source: str, name: str | None, revision: str | None, mirror: str | None, notes: list[str]
) -> dict[str, RawSplit]:
    """Load a data set from the Hub (or from the cache of an earlier download)."""
    import datasets

    silence = _silence_of_hub(source)
    try:
        with _quiet_hub(cache_only=silence is not None):
            loaded = datasets.load_dataset(source, name=name, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if silence is not None:
            reason = f"it could not be reached ({silence}), and its cache on this machine has no earlier download."
        raise DataError(
            f"{source!r} is no file, folder or embedded corpus ({', '.join(corpora.CORPORA)}), has no copy named "
            f"{mirror or source!r} in {_mirror_place()}, and could not be loaded from the Hugging Face Hub: {reason}"
        ) from error
    if silence is not None:
        notes.append(f"{source}: read from an earlier download, because the Hub could not be reached ({silence}).")
    aside = [str(split) for split in loaded if split_of(str(split)) is None or "." in str(split)]
    kept = {str(split): loaded[split] for split in loaded if str(split) not in aside}
    if not kept and len(aside) == 1:
        kept, aside = {"train": loaded[aside[0]]}, []
    if aside:
        notes.append(f"{source}: the splits {', '.join(aside)} were left aside.")
    if not kept:
        raise DataError(
            f"{source} has the splits {', '.join(map(str, loaded))}, and none of them is a train split; fetch the right"
            " one to a file, and name that."
        )
    splits: dict[str, RawSplit] = {}
    for key, dataset in kept.items():
        split = split_of(key) or "train"
        if split in splits:  # such as validation_matched and validation_mismatched
            notes.append(f"{source}: the split {key} was left aside, because another one is the {split} split.")
            continue
        raw = splits_in_memory(dataset)["train"]
        splits[split] = raw_table(raw.table, f"{source} {key}")
    return splits


def _silence_of_hub(source: str) -> str | None:
    """Ask the Hub once whether it can be reached: its client tries six times in 23 seconds, and has no setting for it.

    Args:
        source: id of a data set.

    Returns:
        Why there was no answer; None after any answer, "not found" included.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    if not constants.ENDPOINT.startswith(("http://", "https://")):
        return f"HF_ENDPOINT is {constants.ENDPOINT}, which is no web address"
    question = f"{constants.ENDPOINT}/api/datasets/{source}"
    try:
        urllib.request.build_opener().open(question, timeout=constants.HF_HUB_ETAG_TIMEOUT).close()
    except urllib.error.HTTPError as error:
        return str(error) if error.code >= 500 else None
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        # The client keeps certificates of its own, so this one's trouble with them says nothing.
        return None if isinstance(cause, ssl.SSLError) else str(cause) or type(error).__name__
    return None


@contextmanager
def _quiet_hub(*, cache_only: bool) -> Iterator[None]:
    """Silence the log lines of the Hub's client for a while, and keep it to its cache if asked."""
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.utils import logging as hub_logging

    levels = hub_logging.get_verbosity(), datasets.logging.get_verbosity()
    offline = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    hub_logging.set_verbosity(logging.ERROR)
    datasets.logging.set_verbosity_error()
    if cache_only:
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = offline
        hub_logging.set_verbosity(levels[0])
        datasets.logging.set_verbosity(levels[1])
