"""Files to rows and back: what is written comes back equal, in every kind, and what is broken is named."""

import gzip
import io
import json
import struct
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.files import Findings
from textlstm.text.reading import arriving_lines, expected_rows, line_of_row, open_writer, read_batches, read_table

KINDS = ["csv", "tsv", "json", "jsonl", "ndjson", "parquet", "pq", "arrow", "feather", "csv.gz", "tsv.gz", "jsonl.gz"]
# Half of a file of NUL characters looks like UTF-16, and is refused as such.
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("suffix", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=8), batch_rows=st.integers(1, 4))
def test_what_is_written_is_read_back(tmp_path, suffix, rows, batch_rows):
    path = tmp_path / f"rows.{suffix}"
    columns = {"text": pa.array([r[0] for r in rows]), "label": pa.array([r[1] for r in rows])}
    whole = pa.table(columns)
    with open_writer(path) as out:
        for batch in whole.to_batches(max_chunksize=batch_rows):
            out.write(batch)
    assert out.rows == len(rows)
    batches = list(read_batches(path, batch_rows=batch_rows))
    assert pa.Table.from_batches(batches).to_pylist() == whole.to_pylist()
    assert all(batch.num_rows <= batch_rows for batch in batches)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(texts, min_size=1, max_size=8))
def test_one_column_is_read_back_even_with_empty_cells(tmp_path, rows):
    for suffix in ("csv", "tsv"):
        path = tmp_path / f"one.{suffix}"
        with open_writer(path) as out:
            out.write(pa.record_batch({"text": pa.array(rows)}))
        assert read_table(path)["text"].to_pylist() == rows


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_nul_among_words_is_kept_and_a_column_of_them_is_no_text_file(tmp_path, suffix):
    path = tmp_path / f"nul.{suffix}"
    with open_writer(path) as out:
        out.write(pa.record_batch({"text": pa.array(["a fine\0film", "and a dull one"])}))
    assert read_table(path)["text"].to_pylist() == ["a fine\0film", "and a dull one"]
    path.write_bytes(b"text\n" + b"\0\n" * 9)
    with pytest.raises(DataError, match="is full of NUL bytes, so it is not UTF-8"):
        read_table(path)


def test_cells_of_a_csv_stay_the_text_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,label\n01,NA,true\n1e5,null,007\n")
    table = read_table(tmp_path / "a.csv")
    assert table.to_pylist() == [
        {"id": "01", "text": "NA", "label": "true"},
        {"id": "1e5", "text": "null", "label": "007"},
    ]


def test_numbers_lists_and_nulls_are_written_in_every_kind(tmp_path):
    batch = pa.record_batch(
        {
            "score": pa.array([0.1, None], pa.float32()),
            "tags": pa.array([["a", "b"], None]),
            "text": pa.array(["x", None]),
            "n": pa.array([1, 2]),
        }
    )
    for suffix in ("json", "jsonl", "parquet", "arrow"):
        with open_writer(tmp_path / f"a.{suffix}") as out:
            out.write(batch)
        rows = read_table(tmp_path / f"a.{suffix}").to_pylist()
        assert [row["tags"] for row in rows] == [["a", "b"], None]
        assert [row["n"] for row in rows] == [1, 2]
    with open_writer(tmp_path / "a.csv") as out:
        out.write(batch)
    assert (tmp_path / "a.csv").read_text() == 'score,tags,text,n\n0.1,"[""a"", ""b""]",x,1\n,,,2\n'


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), open_writer(path) as out:
        out.write(pa.record_batch({"a": ["1"]}))
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet", "arrow"])
def test_a_writer_without_rows_makes_a_file(tmp_path, suffix):
    with open_writer(tmp_path / "new" / f"a.{suffix}"):
        pass
    assert (tmp_path / "new" / f"a.{suffix}").exists()


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.parquet.gz", "a.zip"])
def test_a_writer_refuses_what_it_cannot_write(tmp_path, name):
    with pytest.raises(DataError, match=r"suffix"):
        open_writer(tmp_path / name)


def test_equal_rows_give_equal_bytes_when_packed(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        with open_writer(tmp_path / name) as out:
            out.write(pa.record_batch({"a": ["1"]}))
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_columns_are_chosen_and_a_missing_one_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    assert [b.schema.names for b in read_batches(tmp_path / "a.csv", columns=["label"])] == [["label"]]
    with pytest.raises(DataError, match=r"no column 'lable'.*'text', 'label'.*Did you mean 'label'"):
        list(read_batches(tmp_path / "a.csv", columns=["lable"]))


def test_lines_of_text_are_rows_also_when_empty(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(b"one\r\n\ntwo\xe2\x80\xa8still two\n")
    expected = ["one", "", "two\u2028still two"]
    assert read_table(tmp_path / "a.txt")["text"].to_pylist() == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.txt").read_bytes())))
    assert read_table("-")["text"].to_pylist() == expected


def test_standard_input_in_another_encoding(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n")))
    with pytest.raises(DataError, match=r"standard input is not utf-8: byte 0xe9.*cp1252"):
        read_table("-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n")))
    assert read_table("-", encoding="cp1252")["text"].to_pylist() == ["café"]


def test_reading_is_lazy(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a,b\n" * 10_000 + "broken\n")
    assert next(read_batches(path, batch_rows=10)).num_rows == 10


class TestDelimited:
    def test_a_cell_above_the_csv_module_limit(self, tmp_path):
        (tmp_path / "a.csv").write_text("text,label\n" + "x" * 300_000 + ",b\n")
        assert len(read_table(tmp_path / "a.csv")["text"][0].as_py()) == 300_000

    def test_wrong_number_of_fields_names_row_and_line(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text('text,label\n"two\nlines",a\nwith, a comma,b\nshort\nfine,c\n')
        with pytest.raises(
            DataError, match=r"a\.csv: data row 2 \(line 4\) has 3 fields and the header has 2.*quotation"
        ):
            read_table(path)
        findings = Findings(drop_bad_rows=True)
        assert read_table(path, findings=findings)["label"].to_pylist() == ["a", "c"]
        assert findings.dropped == [1, 2]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ('text,label\na,b\n"never closed,c\nx,y\n', r"opens in data row 2 \(line 3\) and is never closed"),
            ('text,label\na,"never closed\nx,y\n', r"opens in data row 1 \(line 2\) and is never closed"),
            ('text,label\n"say "hi" now",b\n', r"broken quoting in data row 1 \(lines 2 to 2\)"),
            ('text,label\n"a \\" b",c\n', "broken quoting"),
            ('"text,label\na,b\n', "opens in the header"),
            ("text,text,label\na,b,c\n", "'text' 2 times"),
            ("\n\n\n", "only blank lines"),
        ],
    )
    def test_broken_files_are_one_sentence(self, tmp_path, body, message):
        (tmp_path / "a.csv").write_text(body)
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / "a.csv")

    @pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
    def test_another_delimiter_is_recognized_and_told(self, tmp_path, delimiter, word):
        (tmp_path / "a.csv").write_text(f'text{delimiter}label\n"a{delimiter} b"{delimiter}c\n')
        findings = Findings()
        assert read_table(tmp_path / "a.csv", findings=findings).to_pylist() == [
            {"text": f"a{delimiter} b", "label": "c"}
        ]
        assert findings.notes == [f"a.csv is separated by {word}s, and was read so."]

    def test_columns_without_a_name_are_numbered(self, tmp_path):
        (tmp_path / "a.csv").write_text("v1,v2,,\nham,hello,,\n")
        assert read_table(tmp_path / "a.csv").column_names == ["v1", "v2", "column 3", "column 4"]

    def test_a_single_column_with_semicolons_inside_stays_one(self, tmp_path):
        (tmp_path / "a.csv").write_text("text\none; two\nthree\n")
        assert read_table(tmp_path / "a.csv")["text"].to_pylist() == ["one; two", "three"]

    def test_quotation_marks_as_plain_characters_in_a_tsv(self, tmp_path):
        path = tmp_path / "a.tsv"
        path.write_text('text\tlabel\n"Hello" he said\ta\n"open\tb\nclose"\tc\n"all ""quoted"""\td\n')
        findings = Findings()
        assert read_table(path, findings=findings)["text"].to_pylist() == [
            '"Hello" he said',
            '"open',
            'close"',
            'all "quoted"',
        ]
        assert "plain characters" in findings.notes[0]

    def test_quoted_tsv_cells_may_span_lines(self, tmp_path):
        (tmp_path / "a.tsv").write_text('text\tlabel\n"two\nlines"\ta\n')
        assert read_table(tmp_path / "a.tsv")["text"].to_pylist() == ["two\nlines"]

    def test_a_tsv_that_reads_both_ways_is_told(self, tmp_path):
        (tmp_path / "a.tsv").write_text('label\ttext\na\t"open\nb\tclose"\n')
        findings = Findings()
        read_table(tmp_path / "a.tsv", findings=findings)
        assert "plain characters" in findings.notes[0]

    def test_line_ends_of_every_system(self, tmp_path):
        for end in ("\n", "\r\n", "\r"):
            (tmp_path / "a.csv").write_bytes(f"text,label{end}a,b{end}{end}c,d{end}".encode())
            assert read_table(tmp_path / "a.csv")["text"].to_pylist() == ["a", "c"]


class TestEncodings:
    @pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_a_byte_order_mark_is_understood(self, tmp_path, codec):
        for name, body in (("a.csv", "text,label\nä,ö\n"), ("a.jsonl", '{"text": "ä", "label": "ö"}\n')):
            (tmp_path / name).write_text(body, encoding=codec)
            assert read_table(tmp_path / name).to_pylist() == [{"text": "ä", "label": "ö"}]

    def test_utf8_given_by_name_tolerates_a_mark_too(self, tmp_path):
        (tmp_path / "a.csv").write_text("text,label\na,b\n", encoding="utf-8-sig")
        assert read_table(tmp_path / "a.csv", encoding="UTF8").column_names == ["text", "label"]

    def test_cp1252_names_the_byte_its_place_and_the_mend(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_bytes(b"text,label\n" + b"plain,a\n" * 5000 + "naïve,b\n".encode("cp1252"))
        offset = path.read_bytes().index(b"\xef")
        with pytest.raises(
            DataError, match=rf"not UTF-8: line 5002 holds the byte 0xef at offset {offset}.*--encoding cp1252"
        ):
            read_table(path)
        assert read_table(path, encoding="cp1252")["text"][-1].as_py() == "naïve"

    def test_utf16_without_a_mark(self, tmp_path):
        (tmp_path / "a.csv").write_bytes("text,label\na,b\n".encode("utf-16-le"))
        with pytest.raises(DataError, match=r"UTF-16 without a byte order mark.*--encoding utf-16-le"):
            read_table(tmp_path / "a.csv")
        assert read_table(tmp_path / "a.csv", encoding="utf-16-le").num_rows == 1

    def test_unknown_or_wrong_encodings(self, tmp_path):
        (tmp_path / "a.csv").write_text("text,label\nä,b\n")
        with pytest.raises(DataError, match=r"'utf-9' is not an encoding"):
            read_table(tmp_path / "a.csv", encoding="utf-9")
        with pytest.raises(DataError, match=r"is not ascii: line 2"):
            read_table(tmp_path / "a.csv", encoding="ascii")
        with pytest.raises(DataError, match=r"is not utf-16"):
            read_table(tmp_path / "a.csv", encoding="utf-16")

    def test_nul_characters_inside_a_text_are_kept(self, tmp_path):
        (tmp_path / "a.csv").write_bytes(b"text,label\na\x00b,c\n")
        assert read_table(tmp_path / "a.csv")["text"].to_pylist() == ["a\x00b"]


class TestJson:
    @pytest.mark.parametrize(
        "document",
        [
            [{"text": "a", "label": 1}, {"text": "b", "label": 2}],
            {"text": ["a", "b"], "label": [1, 2]},
            {"data": [{"text": "a", "label": 1}, {"text": "b", "label": 2}], "version": 3},
            {"text": {"0": "a", "1": "b"}, "label": {"0": 1, "1": 2}},
        ],
    )
    def test_the_forms_of_a_json_file(self, tmp_path, document):
        (tmp_path / "a.json").write_text(json.dumps(document, indent=1))
        assert read_table(tmp_path / "a.json").to_pylist() == [{"text": "a", "label": 1}, {"text": "b", "label": 2}]

    def test_json_lines_under_the_name_of_json(self, tmp_path):
        (tmp_path / "a.json").write_text('{"text": "a"}\n{"text": "b"}\n')
        findings = Findings()
        assert read_table(tmp_path / "a.json", findings=findings).num_rows == 2
        assert "one JSON object a line" in findings.notes[0]

    def test_mixed_kinds_become_text_over_the_whole_file(self, tmp_path):
        rows = [{"a": 1, "b": None}] * 5 + [{"a": "x", "b": 2}, {"b": 2.5, "c": [1]}, {"a": True}]
        (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        table = pa.Table.from_batches(list(read_batches(tmp_path / "a.jsonl", batch_rows=2)))
        assert table["a"].to_pylist() == ["1"] * 5 + ["x", None, "true"]
        assert table["b"].to_pylist() == [None] * 5 + [2.0, 2.5, None]
        assert table["c"].to_pylist() == [None] * 6 + [[1], None]

    def test_half_a_character_is_named_or_dropped(self, tmp_path):
        (tmp_path / "a.jsonl").write_text('{"text": "a"}\n\n{"text": "cut \\ud83d"}\n')
        with pytest.raises(DataError, match=r"a\.jsonl: row 2 \(line 3\) holds half of a surrogate pair"):
            read_table(tmp_path / "a.jsonl")
        findings = Findings(drop_bad_rows=True)
        assert read_table(tmp_path / "a.jsonl", findings=findings).num_rows == 1
        assert findings.dropped == [1]

    @pytest.mark.parametrize(
        ("name", "body", "message"),
        [
            ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is no JSON: Expecting value at character"),
            ("a.jsonl", '{"text": "a"}\n["b"]\n', r"row 2 \(line 2\) is a list, and an object"),
            ("a.json", '["a", "b"]', "row 1 is a string, and an object"),
            ("a.json", '{"train": [{"text": "a"}], "test": [{"text": "b"}]}', "keys 'train', 'test'"),
            ("a.json", "[", r"is no JSON: .* \(line 1, character 2\)"),
            ("a.json", "  \n", "only blanks"),
            ("a.json", "[]", "holds no rows"),
            ("a.json", "3", "holds a number"),
            ("a.json", "[" * 100_000, "nested too deeply"),
        ],
    )
    def test_what_is_no_list_of_objects(self, tmp_path, name, body, message):
        (tmp_path / name).write_text(body)
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)


class TestFiles:
    def test_a_zip_of_one_file(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("inner/data.csv", "text,label\na,b\n")
            archive.writestr("__MACOSX/inner/._data.csv", "junk")
            archive.writestr("README.md", "junk")
        assert read_table(tmp_path / "a.zip").num_rows == 1

    def test_a_zip_of_two_files_cannot_be_one_table(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.csv", "x")
            archive.writestr("b.csv", "x")
        with pytest.raises(DataError, match=r"should hold one data file and holds 2 \(a.csv, b.csv\)"):
            read_table(tmp_path / "a.zip")

    def test_parquet_and_arrow_keep_types_and_metadata(self, tmp_path):
        schema = pa.schema([("n", pa.int8()), ("t", pa.string())], metadata={b"k": b"v"})
        table = pa.table([[1, 2], ["a", "b"]], schema=schema)
        pq.write_table(table, tmp_path / "a.parquet")
        with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(table)
        (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
        for name in ("a.parquet", "a.arrow", "a.parquet.gz"):
            read = read_table(tmp_path / name)
            assert read.schema.equals(schema)
            assert read.schema.metadata[b"k"] == b"v"
            assert read.equals(table)

    def test_no_rows_still_have_columns(self, tmp_path):
        (tmp_path / "a.csv").write_text("text,label\n")
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
        assert read_table(tmp_path / "a.csv").column_names == ["text", "label"]
        assert read_table(tmp_path / "a.parquet").column_names == ["text"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", b"", "is empty"),
            ("a.xlsx", b"PK", "told by its suffix.*'.xlsx'"),
            ("noname", b"x", "no suffix"),
            ("a.parquet", b"no parquet at all", "not a readable parquet file"),
            ("a.arrow", b"no arrow at all, by far", "not a readable arrow file"),
            ("a.csv.gz", b"text,label", "cannot be unpacked"),
            ("a.csv.gz", gzip.compress(b"text,label\n" * 50, mtime=0)[:-9], "cannot be unpacked"),
            ("a.zip", b"no zip", "not a readable zip"),
        ],
    )
    def test_unreadable_files_are_one_sentence(self, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)

    def test_missing_files_and_folders(self, tmp_path):
        with pytest.raises(DataError, match=r"does not exist"):
            read_table(tmp_path / "a.csv")
        (tmp_path / "b.csv").mkdir()
        with pytest.raises(DataError, match=r"is a folder"):
            read_table(tmp_path / "b.csv")


def test_the_line_of_a_row(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"a\nb",x\n\nshort\nc,y\n')
    assert [line_of_row(tmp_path / "a.csv", row) for row in (0, 2, 3)] == [3, 6, None]
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert line_of_row(tmp_path / "a.jsonl", 1) == 3
    (tmp_path / "a.txt").write_text("a\nb\n")
    assert line_of_row(tmp_path / "a.txt", 1) == 2


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), st.integers(1, 5))
def test_arriving_lines_are_whole_whatever_the_pieces(lines, piece):
    class Dripping(io.BytesIO):
        def read1(self, size=-1):
            return super().read1(min(size, piece))

    for encoding in ("utf-8-sig", "utf-16"):
        for end in ("\n", "\r\n"):
            stream = Dripping("".join(line + end for line in lines).encode(encoding))
            assert [line for group in arriving_lines(stream, encoding=encoding) for line in group] == lines


def test_an_arrow_file_whose_offsets_lie_outside_of_its_data_is_refused(tmp_path):
    """Arrow's own functions would read there, and end the process."""
    path = tmp_path / "data.arrow"
    table = pa.table({"text": ["one", "two"], "label": ["a", "b"]})
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    content = path.read_bytes()
    offsets = struct.pack("<3i", 0, 3, 6)
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, struct.pack("<3i", 0, 3, 2**30)))
    with pytest.raises(DataError, match="is not a readable arrow file"):
        read_table(path)


def test_rows_are_counted_or_estimated_before_they_are_read(tmp_path):
    table = pa.table({"text": ["a good film"] * 40_000})
    pq.write_table(table, tmp_path / "a.parquet")
    assert expected_rows(tmp_path / "a.parquet") == 40_000
    (tmp_path / "a.csv").write_text("text\n" + "a much longer film, it was\n" * 100_000)
    assert expected_rows(tmp_path / "a.csv") == pytest.approx(100_000, rel=0.01)
    (tmp_path / "short.txt").write_text("one\ntwo\n")
    assert expected_rows(tmp_path / "short.txt") == 2
    (tmp_path / "none.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty.csv").touch()
    for name in ("none.parquet", "empty.csv", "absent.csv", "a.csv.gz", "a.json"):
        assert expected_rows(tmp_path / name) is None


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_column_whose_name_is_damaged_is_named_as_damage(tmp_path, kind, nested):
    path = tmp_path / f"rows.{kind}"
    column = pa.array([{"wxyz": 1}]) if nested else pa.array([1])
    table = pa.table({"text": ["a"], "inner" if nested else "wxyz": column})
    if kind == "parquet":
        pq.write_table(table, path, store_schema=False)
    else:
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    path.write_bytes(path.read_bytes().replace(b"wxyz", b"wx\x8bz"))
    with pytest.raises(DataError, match="is not a readable"):
        read_table(path).to_pylist()
