"""Files and folders as named splits: one file, split-named files, a folder for each class, and zips of those."""

from __future__ import annotations

import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError
from textlstm.text.archives import BROKEN_ARCHIVE, refuse_bomb
from textlstm.text.files import (
    Findings,
    archive_members,
    file_kind,
    is_data_file,
    open_text,
)
from textlstm.text.labels import natural_key
from textlstm.text.reading import line_of_row, read_table
from textlstm.text.tables import RawSplit, split_of

# IMDB's unlabeled reviews lie beside its two class folders.
UNLABELED_FOLDERS = {"unsup", "unlabeled", "unlabelled", "unsupervised"}


def splits_in_path(path: Path, *, encoding: str | None, drop_bad_rows: bool, notes: list[str]) -> dict[str, RawSplit]:
    """Read a file or a folder.

    A folder may hold split-named files (train.csv, dev.csv, test.jsonl.gz, train-00000-of-00002.parquet), folders
    named after splits that hold files, or one folder for each class with a text in each .txt file (also below folders
    named after splits). A zip of several files is read as a folder.

    Args:
        path: the file or folder.
        encoding: of the text kinds.
        drop_bad_rows: leave out rows that cannot be read, with a note.
        notes: takes sentences for the user.

    Returns:
        Splits by name; what names no split is "train". A DataError says when nothing there can be read as data.
    """
    if path.is_dir():
        return _splits_in_folder(path, encoding, drop_bad_rows, notes)
    if path.suffix.lower() == ".zip" and len(archive_members(path)) > 1:
        return _splits_in_zip(path, encoding, drop_bad_rows, notes)
    return {"train": _from_files([path], encoding, drop_bad_rows, notes)}


def _splits_in_zip(path: Path, encoding: str | None, drop_bad_rows: bool, notes: list[str]) -> dict[str, RawSplit]:
    """Unpack a zip of several files for the time of reading; messages keep the names inside it."""
    with tempfile.TemporaryDirectory(prefix="textlstm-") as folder:
        inside = Path(folder) / path.name
        try:
            with zipfile.ZipFile(path) as archive:
                refuse_bomb(path, archive)
                archive.extractall(inside, archive_members(path))  # extractall keeps members inside the folder
        except BROKEN_ARCHIVE as error:
            raise DataError(f"{path} cannot be unpacked ({error}): it is cut off or damaged. Get it again.") from error
        except (NotImplementedError, RuntimeError) as error:  # a method that zipfile lacks, a password
            raise DataError(f"{path} cannot be unpacked here ({error}); unpack it, and name the folder.") from error
        tops = [entry for entry in inside.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        root = tops[0] if len(tops) == 1 and tops[0].is_dir() and split_of(tops[0].name) is None else inside

        def shown(message: str) -> str:
            return message.replace(str(inside), str(path))

        found: list[str] = []
        try:
            splits = _splits_in_folder(root, encoding, drop_bad_rows, found)
        except DataError as error:
            raise DataError(shown(str(error))) from error
        notes.extend(map(shown, found))
        return {name: _renamed(raw, shown) for name, raw in splits.items()}


def _renamed(raw: RawSplit, shown: Callable[[str], str]) -> RawSplit:
    """Replace the folder that a zip was unpacked into by the zip's own name."""
    return replace(raw, origin=shown(raw.origin), place=lambda row: shown(raw.place(row)))


def _splits_in_folder(folder: Path, encoding: str | None, drop_bad_rows: bool, notes: list[str]) -> dict[str, RawSplit]:
    """Find out which of the layouts a folder has, and read it."""
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda e: natural_key(e.name))
    files = [entry for entry in entries if entry.is_file() and is_data_file(entry) and not _is_metadata(entry)]
    named: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if split := split_of(file.name):
            named[split].append(file)
    if named:
        aside = [file.name for file in files if split_of(file.name) is None]
        if aside:
            notes.append(f"{folder}: files that name no split were left aside: {', '.join(aside)}.")
        for split, paths in named.items():
            _one_or_shards(folder, split, paths)
        return {split: _from_files(paths, encoding, drop_bad_rows, notes) for split, paths in named.items()}
    folders = [entry for entry in entries if entry.is_dir()]
    split_folders = {entry: split for entry in folders if (split := split_of(entry.name))}
    if "train" in split_folders.values():
        if len(set(split_folders.values())) < len(split_folders):
            raise DataError(
                f"{folder}: {', '.join(f.name for f in split_folders)} name a split twice; keep one of each."
            )
        return {s: _from_folder(f, encoding, drop_bad_rows, notes) for f, s in split_folders.items()}
    if [entry.name for entry in folders] == ["data"] and not files:  # the layout of a Hub repository
        return _splits_in_folder(folders[0], encoding, drop_bad_rows, notes)
    if any(_texts_in(entry) for entry in folders) and not _tables(files):
        return {"train": _from_classes(folder, encoding, notes)}
    if len(files) == 1:
        notes.append(f"{folder}: read {files[0].name}, its only data file.")
        return {"train": _from_files(files, encoding, drop_bad_rows, notes)}
    found = ", ".join(entry.name for entry in entries[:8]) or "nothing"
    raise DataError(
        f"{folder} has neither split-named files (train.csv, test.csv, ...) nor a folder of .txt files for each class; "
        f"found {found}{', ...' if len(entries) > 8 else ''}. Name one file, or rename the files after their splits."
    )


def _from_folder(folder: Path, encoding: str | None, drop_bad_rows: bool, notes: list[str]) -> RawSplit:
    """Read the folder of one split: data files one after another, or a folder for each class."""
    entries = sorted(folder.iterdir(), key=lambda e: natural_key(e.name))
    files = [e for e in entries if e.is_file() and is_data_file(e) and not _is_metadata(e)]
    if any(entry.is_dir() and _texts_in(entry) for entry in entries):
        return _from_classes(folder, encoding, notes)
    if tables := _tables(files):
        return _from_files(tables, encoding, drop_bad_rows, notes)
    raise DataError(
        f"{folder} should hold the rows of its split, as data files or as a folder of .txt files for each class, and"
        " holds neither; put them there, or remove it."
    )


def _tables(files: list[Path]) -> list[Path]:
    """Keep the files that hold rows with columns; a .txt file has no place for labels."""
    return [file for file in files if not file.name.lower().endswith((".txt", ".txt.gz"))]


def _is_metadata(file: Path) -> bool:
    """Say whether a file is what `save_to_disk` of datasets writes beside the rows."""
    return file.name in {"dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json"}


def _texts_in(folder: Path) -> list[Path]:
    """List the .txt files of a class, in natural order."""
    texts = [file for file in folder.iterdir() if file.suffix.lower() == ".txt" and not file.name.startswith(".")]
    return sorted(texts, key=lambda file: natural_key(file.name))


def _one_or_shards(folder: Path, split: str, paths: list[Path]) -> None:
    """Allow several files for one split only when their names say that they are its parts."""
    if len(paths) > 1 and not all("-of-" in path.name for path in paths):
        raise DataError(
            f"{folder} has several files for the {split} split ({', '.join(path.name for path in paths)}); "
            f"keep one, or name the parts like {split}-00000-of-00002.csv."
        )


def _from_files(paths: list[Path], encoding: str | None, drop_bad_rows: bool, notes: list[str]) -> RawSplit:
    """Read files one after another as one table; rows are numbered through."""
    tables, rows, starts = [], [], []
    start = 0
    for path in paths:
        findings = Findings(drop_bad_rows=drop_bad_rows)
        table = read_table(path, encoding=encoding, findings=findings)
        total = table.num_rows + len(findings.dropped)
        kept = np.setdiff1d(np.arange(total), np.array(findings.dropped, dtype=np.int64), assume_unique=True)
        notes.extend(findings.notes)
        if findings.dropped:
            count = len(findings.dropped)
            some = ", ".join(str(row + 1) for row in findings.dropped[:5])
            notes.append(
                f"{path}: dropped {count} rows that could not be read (row {some}{', ...' if count > 5 else ''})."
            )
        tables.append(table)
        rows.append(kept + start)
        starts.append(start)
        start += total
    try:
        joined = pa.concat_tables(tables, promote_options="permissive") if len(tables) > 1 else tables[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{paths[0].parent}: the parts of a split have columns of different types ({error}); write them alike, such"
            " as all labels as strings."
        ) from error

    def place(row: int) -> str:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        line = line_of_row(paths[part], row - starts[part], encoding=encoding) if paths[part].exists() else None
        return f"{paths[part].name} row {row - starts[part] + 1}{f' (line {line})' if line else ''}"

    untyped = file_kind(paths[0]) in {"csv", "tsv", "txt"}
    origin = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} parts)"
    return RawSplit(joined, np.concatenate(rows), origin, place, untyped)


def _from_classes(folder: Path, encoding: str | None, notes: list[str]) -> RawSplit:
    """Read a folder for each class: the folder's name is the label, each .txt file a text."""
    texts: list[str] = []
    labels: list[str] = []
    paths: list[Path] = []
    for entry in sorted(folder.iterdir(), key=lambda e: natural_key(e.name)):
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        if entry.name.lower() in UNLABELED_FOLDERS:
            notes.append(f"{entry} was left aside: it holds texts without a label.")
            continue
        files = _texts_in(entry)
        if not files:
            notes.append(f"{entry} was left aside: it holds no .txt file.")
        for file in files:
            # An empty file is an empty text, to be named with the others.
            content = ""
            if file.stat().st_size:
                with open_text(file, encoding=encoding, newline="") as stream:
                    content = stream.read().removesuffix("\n").removesuffix("\r")
            texts.append(content)
            labels.append(entry.name)
            paths.append(file)
    columns = {"text": pa.array(texts, pa.large_string()), "label": pa.array(labels, pa.large_string())}
    return RawSplit(pa.table(columns), np.arange(len(texts)), str(folder), lambda row: str(paths[row]))
