"""Texts without labels, a batch at a time: files are streamed, so that they may be larger than memory."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from textlstm.errors import DataError
from textlstm.recipe_sections import DataSection
from textlstm.text.columns import Columns, choose_text_columns, is_blank, texts_of
from textlstm.text.files import Findings
from textlstm.text.reading import BATCH_ROWS, read_batches
from textlstm.text.sources import find_splits
from textlstm.text.tables import RawSplit, raw_table


@dataclass(eq=False)
class RunningText:
    """Texts that can be gone through more than once.

    Attributes:
        part: the recipe's `data:` part: source, columns, encoding, and what happens to bad rows.
        limit: first texts that are read; all when None.
        notes: what was found on the way, in sentences for the user.
    """

    part: DataSection
    limit: int | None = None
    notes: list[str] = field(default_factory=list)

    def batches(self) -> Iterator[list[str]]:
        """Go through the texts; blank ones are left out.

        Of data with splits the training split alone is read, whatever is asked: a test split stays unseen.

        Yields:
            Lists of texts.

        Raises:
            DataError: the source cannot be read, or holds no text.
        """
        left = self.limit if self.limit is not None else 2**62
        columns: list[str] | None = None
        found = 0
        for raw in self._tables():
            if columns is None:
                columns = self._columns(raw)
            texts = texts_of(raw, Columns(columns, ""))
            kept = texts.filter(pa.array([not blank for blank in is_blank(texts).to_pylist()], pa.bool_()))
            batch = [str(text) for text in kept.slice(0, left).to_pylist()]
            found += len(batch)
            left -= len(batch)
            if batch:
                yield batch
            if left == 0:
                break
        if not found:
            raise DataError(f"{self.part.source} holds no texts; is it the right file and the right text column?")

    def _columns(self, raw: RawSplit) -> list[str]:
        """Find the text columns; those that were named must be there."""
        known = raw.table.column_names
        for name in self.part.text_columns or []:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{raw.origin} has no column {name!r}; its columns are {', '.join(known)}.{hint}")
        return choose_text_columns(raw, text_columns=self.part.text_columns)

    def _tables(self) -> Iterator[RawSplit]:
        """Read the source a table at a time; the notes are those of the last pass."""
        self.notes.clear()
        part, path = self.part, Path(self.part.source).expanduser()
        drop = part.on_bad_rows == "drop"
        if path.is_file():
            findings = Findings(drop_bad_rows=drop)
            for batch in read_batches(path, encoding=part.encoding, findings=findings):
                yield raw_table(pa.Table.from_batches([batch]), part.source)
            if findings.dropped:
                self.notes.append(f"{part.source}: dropped {len(findings.dropped)} rows that could not be read.")
            return
        splits = find_splits(
            part.source,
            name=part.config,
            revision=part.revision,
            mirror=part.mirror,
            encoding=part.encoding,
            drop_bad_rows=drop,
            notes=self.notes,
        )
        if "train" not in splits and len(splits) > 1:
            raise DataError(f"{part.source} has the splits {', '.join(splits)} and no train split; name one file.")
        if aside := [name for name in splits if name != "train" and "train" in splits]:
            self.notes.append(f"{part.source}: only the train split is read, {' and '.join(aside)} stay unseen.")
        whole = splits["train"] if "train" in splits else next(iter(splits.values()))
        for start in range(0, whole.table.num_rows, BATCH_ROWS):
            yield raw_table(whole.table.slice(start, BATCH_ROWS), whole.origin)
