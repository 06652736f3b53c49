"""A failure is told in a sentence, written whole, and read back."""

import json

import pytest

from textlstm.errors import DataError, NonFiniteLossError, RecipeError, TrainingError
from textlstm.experiment.failures import (
    FAILURE_FILE,
    Failure,
    clear_failure,
    failure_from,
    failure_of_exit,
    read_failure,
    write_failure,
)


class OutOfMemoryError(RuntimeError):
    """As torch has one."""


def caused():
    """A memory error that training has put into words for the user."""
    try:
        try:
            raise OutOfMemoryError("CUDA out of memory")
        except OutOfMemoryError:
            raise TrainingError("cuda ran out of memory in training; lower training.batch_size.") from None
    except TrainingError as error:
        return error


@pytest.mark.parametrize(
    ("error", "kind", "final"),
    [
        (MemoryError(), "out_of_memory", False),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out_of_memory", False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory", False),
        (caused(), "out_of_memory", False),
        (NonFiniteLossError("at step 3 the loss became nan"), "non_finite_loss", False),
        (TrainingError("no"), "error", False),
        (DataError("no"), "error", True),
        (RecipeError("no"), "error", True),
        (KeyError("x"), "error", False),
        (RuntimeError("shapes do not fit\n\nmore"), "error", False),
    ],
)
def test_errors_are_known_by_what_they_are(error, kind, final):
    failure = failure_from(error)
    assert (failure.kind, failure.final, failure.attempts) == (kind, final, 1)
    assert failure.reason
    assert "\n" not in failure.reason


@pytest.mark.parametrize(("code", "words"), [(-9, "lack of memory"), (-11, "signal 11"), (3, "exit code 3")])
def test_the_end_of_a_process_is_told_by_its_code(code, words):
    failure = failure_of_exit(code)
    assert failure.kind == "killed_worker"
    assert words in failure.reason


def test_what_is_written_is_what_is_read_until_it_is_cleared(tmp_path):
    folder = tmp_path / "new"
    assert read_failure(folder) is None
    failure = Failure("error", "ValueError: größer", trace="here").after(2)
    write_failure(folder, failure)
    assert read_failure(folder) == failure
    record = json.loads((folder / FAILURE_FILE).read_text())
    assert {"kind", "reason", "attempts", "time", "host"} <= record.keys()
    assert [path.name for path in folder.iterdir()] == [FAILURE_FILE]
    clear_failure(folder)
    clear_failure(folder)
    assert read_failure(folder) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"kind": "x", "reason": "", "attempts": 1}'])
def test_a_damaged_record_is_a_failure_without_a_known_reason(tmp_path, content):
    (tmp_path / FAILURE_FILE).write_bytes(content)
    assert "damaged" in read_failure(tmp_path).reason
