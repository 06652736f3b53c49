"""Data files of every kind, made of nasty cells or damaged, are read rightly or refused in a sentence."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz_cases import CASES, damaged, halves, many, result_or_sentence, strings
from hypothesis import given
from hypothesis import strategies as st

from textlstm.text.checks import check_data, format_report
from textlstm.text.datasets import load_data

texts = strings.map("film {}".format)
PLAIN = st.just(["text", "label"])
HEADERS = st.one_of(PLAIN, PLAIN, PLAIN, st.lists(strings, min_size=1, max_size=4))
ENCODINGS = [None, None, None, None, "utf-8", "cp1252", "utf-16", "utf-7", "idna", "punycode", "hex", "\x00", "zip"]
NUMBERS = [0, 1, -1, 2**53 + 1, 2**64, -(10**400), 0.5, 1e308, float("nan"), float("-inf")]
JSON_VALUES = st.recursive(
    st.one_of(st.sampled_from([None, True, False, *NUMBERS]), halves),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(halves, inner, max_size=3)),
    max_leaves=3,
)
ARROW_TYPES = [
    pa.null(),
    pa.bool_(),
    pa.int8(),
    pa.uint64(),
    pa.float16(),
    pa.float64(),
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.date32(),
    pa.timestamp("ns", "UTC"),
    pa.duration("s"),
    pa.decimal128(10, 2),
    pa.list_(pa.string()),
    pa.list_(pa.int64()),
    pa.large_list(pa.float32()),
    pa.struct([("a", pa.int64())]),
    pa.map_(pa.string(), pa.int64()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.int64()),
]


def look(path, *, drop=False, separator=None, **columns):
    """Load a file and see that what came is whole: texts beside labels that are classes; then report on it."""
    data = load_data(path, on_bad_rows="drop" if drop else "error", label_separator=separator, **columns)
    for split in data.splits.values():
        assert split.texts.null_count == 0
        if split.labels is not None:
            assert len(split.labels) == len(split.texts)
            assert split.labels.ndim == 2 or (np.array(split.labels) < len(data.label_names)).all()
    assert len(set(data.label_names)) == len(data.label_names)
    assert format_report(check_data(data, max_length=16))
    return data


def csv_bytes(header, rows, delimiter):
    def quoted(cell):
        return f'"{cell.replace(chr(34), chr(34) * 2)}"'

    lines = [delimiter.join(map(quoted, cells)) for cells in [header, *rows]]
    return ("\n".join(lines) + "\n").encode()


@st.composite
def tables(draw):
    header = draw(HEADERS)
    if header == ["text", "label"]:
        label = draw(st.sampled_from([st.sampled_from(["a", "b"]), strings]))
        text = draw(st.sampled_from([texts, strings]))
        rows = draw(st.lists(st.tuples(text, label), min_size=2, max_size=6))
    else:
        rows = draw(st.lists(st.lists(strings, min_size=len(header), max_size=len(header)), max_size=6))
    return csv_bytes(header, rows, draw(st.sampled_from([",", "\t", ";", "|"])))


@CASES
def test_comma_and_tab_separated_files(tmp_path, cases):
    @many(cases)
    @given(
        damaged(tables()),
        st.sampled_from(["csv", "tsv", "txt"]),
        st.sampled_from(ENCODINGS),
        st.booleans(),
        st.sampled_from([None, None, ",", "|", " ", "\x00"]),
    )
    def each(content, kind, encoding, drop, separator):
        path = tmp_path / f"data.{kind}"
        path.write_bytes(content)
        result_or_sentence(look, path, encoding=encoding, drop=drop, separator=separator)

    each()


def json_lines(rows):
    return "\n".join(map(json.dumps, rows)).encode()


@st.composite
def documents(draw):
    """One object a line, a list of objects, columns, or any value at all."""
    label = draw(
        st.sampled_from([["a", "b"], [0, 1], [0.5, 2], [True, False], [["a"], ["a", "b"], []], ["a", None, 1]])
    )
    plain = st.fixed_dictionaries({"text": texts, "label": st.sampled_from(label)})
    mixed = st.one_of(plain, st.fixed_dictionaries({"text": JSON_VALUES, "label": JSON_VALUES}))
    any_row = st.one_of(mixed, st.dictionaries(halves, JSON_VALUES, max_size=4), JSON_VALUES)
    rows = draw(st.lists(draw(st.sampled_from([plain, plain, mixed, any_row])), max_size=5))
    form = draw(st.sampled_from(["lines", "lines", "list", "columns", "wrapped"]))
    if form == "lines":
        return json_lines(rows)
    columns = {"text": [ascii(row) for row in rows], "label": rows}
    return json.dumps({"list": rows, "columns": columns, "wrapped": {"data": rows}}[form]).encode()


@CASES
def test_json_files(tmp_path, cases):
    @many(cases)
    @given(damaged(documents()), st.sampled_from(["json", "jsonl"]), st.booleans(), st.sampled_from([None, None, "|"]))
    def each(content, kind, drop, separator):
        path = tmp_path / f"data.{kind}"
        path.write_bytes(content)
        result_or_sentence(look, path, drop=drop, separator=separator)

    each()


@st.composite
def arrow_tables(draw):
    rows = draw(st.integers(0, 6))
    columns, names = [], draw(HEADERS)
    likely = draw(st.booleans())
    for name in names:
        kind = draw(st.sampled_from(ARROW_TYPES))
        if likely and name == "text":
            columns.append(pa.array(draw(st.lists(texts, min_size=rows, max_size=rows)), pa.string()))
        elif likely and name == "label":
            columns.append(draw(filled(kind, rows, nothing=False)))
        else:
            columns.append(draw(st.one_of(st.just(pa.nulls(rows, kind)), filled(kind, rows))))
    metadata = draw(st.sampled_from([None, b"{}", b"[1]", b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"]}}}}', b"\xff", b'{"info": [[[]]]}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": "ab"}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": 7}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", "a"]}}}}']))  # fmt: skip
    table = pa.table(columns, names=names)
    return table.replace_schema_metadata({"huggingface": metadata} if metadata else None)


def filled(kind, rows, *, nothing=True):
    """Columns of a type with values in them, nulls among them if so asked."""

    def cast(values):
        try:
            if pa.types.is_dictionary(kind):
                return pa.array(values).cast(kind.value_type).dictionary_encode().cast(kind)
            return pa.array(values).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return pa.nulls(rows, kind)

    numbers = st.one_of(st.none(), st.integers(-2, 3)) if nothing else st.integers(0, 1)
    words = st.one_of(st.none(), strings) if nothing else st.sampled_from(["a", "b"])
    void = [st.none()] if nothing else []
    if pa.types.is_nested(kind) and not pa.types.is_map(kind) and not pa.types.is_struct(kind):
        inner = words if pa.types.is_string(kind.value_type) else numbers
        return st.lists(st.one_of(*void, st.lists(inner, max_size=3)), min_size=rows, max_size=rows).map(
            lambda values: pa.array(values, kind)
        )
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
    return st.lists(words if texts else numbers, min_size=rows, max_size=rows).map(cast)


@CASES
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_parquet_and_arrow_files(tmp_path, cases, kind):
    @many(cases)
    @given(arrow_tables(), st.data(), st.booleans(), st.sampled_from([None, None, "|"]))
    def each(table, data, drop, separator):
        path = tmp_path / f"data.{kind}"
        try:
            if kind == "parquet":
                pq.write_table(table, path)
            else:
                with pa.ipc.new_file(path, table.schema) as file:
                    file.write_table(table)
        except pa.ArrowNotImplementedError:
            return  # the writer does not know the type
        path.write_bytes(data.draw(damaged(st.just(path.read_bytes()))))
        result_or_sentence(look, path, drop=drop, separator=separator)

    each()


@CASES
def test_archives(tmp_path, cases):
    plain = b"text,label\na film,pos\nno film,neg\n"

    @many(cases)
    @given(damaged(st.sampled_from([gzip.compress(plain), plain])), st.sampled_from(["csv.gz", "csv.zip", "zip", "gz"]))
    def each(content, suffix):
        path = tmp_path / f"data.{suffix}"
        path.write_bytes(content)
        result_or_sentence(look, path)

    each()
