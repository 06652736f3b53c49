"""What fuzzing shares: how many cases, nasty strings, damage to bytes, and which outcomes are allowed.

A case ends in a result or in a TextLSTMError of one clear sentence with exit code 2; other exceptions fail the test.
"""

import re

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from textlstm.errors import TextLSTMError

CASES = pytest.mark.parametrize("cases", [150, pytest.param(10_000, marks=pytest.mark.slow)])
"""A quick look at each run of the suite, and the long one in `make test-all`."""

NASTY = [
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x00",
    "\x1b[2J",
    "\x7f\x9f",
    "\u2028",
    "\ufeff",
    "\u202eabc\u202c",
    "שלום עולם",
    "مرحبا",
    "e\u0301\u0323" * 3,
    "\u0301",
    "👩\u200d👧",
    "漢字かな交じり文",
    "ไม่มีช่องว่าง",
    "x" * 3000,
    '"',
    '""',
    "'",
    ",",
    ";",
    "\\",
    "|",
    "<script>alert(1)</script>",
    "NA",
    "nan",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "9" * 400,
    "0x10",
    "12:30:45",
    "2020-13-45",
    "{}",
    "[]",
    "!!python/object:os.system",
    "${HOME}",
    "%s%n",
    "../../etc/passwd",
]
whole = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
strings = st.one_of(st.sampled_from(NASTY), whole)
halves = st.one_of(strings, st.text(max_size=12), st.sampled_from(["\ud83d", "a\udc00b"]))
"""Strings that may hold half of a surrogate pair."""

JUNK = [b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"\r", b"\n", b",", b"{", b"[" * 9, b"}", b"\\ud83d"]
JUNK += [b"1e400", b"-", b"\xc3", b"PAR1", b"ARROW1", b"PK\x03\x04", b"\x1f\x8b", b"\x93NUMPY", b"\x80\x04", b"9" * 30]


@st.composite
def damaged(draw, contents):
    """One of `contents`, bytes, with up to four pieces cut out, doubled, overwritten or put in."""
    content = draw(contents)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.sampled_from([0, 1, 2, 7, 64, 10_000])))
        piece = draw(st.one_of(st.sampled_from(JUNK), st.binary(max_size=6), st.just(content[start:stop] * 2)))
        content = content[:start] + piece + content[stop:]
    return content


def many(cases):
    """Settings for so many cases; files are rewritten by each, so that fixtures may be shared."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=cases, suppress_health_check=checks)


def result_or_sentence(call, *arguments, **options):
    """What the call gives; None after a refusal, whose words are looked at."""
    try:
        return call(*arguments, **options)
    except TextLSTMError as error:
        assert error.exit_code == 2, error
        sentence(str(error))
        return None


def sentence(words):
    """See that an error's words can be shown, are not a dump, and say more than that something failed."""
    assert len(words.split()) >= 5, words
    assert len(words) < 4000, words[:4000]
    assert not re.search(r"Traceback|0x[0-9a-f]{9,}|<class '|<[\w.]+ object at ", words), words
    words.encode()  # half of a surrogate pair could not be printed
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x9b]", words), ascii(words)  # could steer a terminal
