"""The report's files: structure, escaping, size, no network, and the same content in Markdown."""

import json
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from fake_comparisons import FIXED, HOSTILE, MATCHED, minimal, rich
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from textlstm.analysis.figures import Figure
from textlstm.analysis.page import PICTURE_BYTES, embedded
from textlstm.analysis.report import write_report
from textlstm.analysis.report_appendix import baseline_tables
from textlstm.analysis.report_markdown import escape, markdown_report
from textlstm.analysis.report_sections import facts, first_screen, later_sections
from textlstm.analysis.report_tables import verdict_bounds
from textlstm.analysis.wording import ABSENT, plain_text
from textlstm.stats.rules import RULES

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Outline(HTMLParser):
    """Tags with their attributes, headings, ids, and the text of scripts; nesting is checked on the way."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self.ids, self.scripts, self.words, self.open = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append([int(tag[1]), ""])
        if tag == "script":
            self.scripts.append((attributes, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))
        elif self.open and self.open[-1] != "style":
            self.words.append(data)
            if re.fullmatch(r"h[1-6]", self.open[-1]):
                self.headings[-1][1] += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    return folder, write_report(rich(), folder)


@pytest.fixture(scope="module")
def page(written):
    return Outline((written[0] / "report.html").read_text("utf-8"))


def test_files_are_those_returned_and_fit_the_limit(written):
    folder, files = written
    assert {path.relative_to(folder).as_posix() for path in files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    assert files[0].name == "report.html" and files[0].stat().st_size < 3_000_000
    pictures = [path for path in files if path.parent.name == "charts"]
    assert {path.stem for path in pictures if path.suffix == ".svg"} == {
        path.stem for path in pictures if path.suffix == ".png"
    }
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in pictures if path.suffix == ".png")


def test_writing_again_removes_charts_that_are_gone(tmp_path):
    write_report(rich(depths=(1, 2), sizes={100: 100}, seeds=2), tmp_path)
    (tmp_path / "charts" / "notes.txt").write_text("mine")
    files = write_report(minimal(), tmp_path)
    assert {path.name for path in (tmp_path / "charts").iterdir()} == {
        "notes.txt",
        *(path.name for path in files if path.parent.name == "charts"),
    }


def test_first_screen_has_the_answer_then_the_verdict_the_table_and_the_curves(page):
    places = [
        page.text.index(words)
        for words in (
            "On these texts one layer is enough",
            "the upper bounds of 2, 3 and 4 layers",
            "With reservations: learning rate not tuned for each depth.",
            "480 of 481 runs finished",
            "1 failed",
            "test split opened 480 times",
            "Test accuracy in %: fixed width",
            "Accuracy against labels: fixed width",
            "What each layer buys",
        )
    ]
    assert places == sorted(places)


def test_sections_stand_in_the_order_of_the_issue(page):
    titles = [words for level, words in page.headings if level == 2]
    assert titles == [
        "Scores by depth and labels",
        "What more labels bring",
        "What each layer buys",
        "Scores by seed",
        "What each layer costs",
        "Training against test",
        "Plain methods",
        "Calibration",
        "Search for settings",
        "Texts most often misclassified",
        "Methods and settings",
        "Published figures",
        "Failures",
        "Versions",
        "Repeat it",
    ]


def test_structure_is_sound_for_assistive_readers(page):
    assert page.of("html")[0]["lang"] == "en"
    assert max(Counter(page.ids).values()) == 1
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(words.strip() for _, words in page.headings)
    targets = [link["href"][1:] for link in page.of("a")]
    assert page.of("a")[0]["class"] == "skip" and set(targets) <= set(page.ids)
    assert all(image["alt"] for image in page.of("img"))
    for box in [item for item in page.of("div") if item.get("class") in ("box", "live")]:
        assert box["aria-label"] and box["tabindex"] == "0" and box["role"] in ("region", "img")
    assert all("scope" in head for head in page.of("th"))
    figures = [item["id"] for item in page.of("figure")]
    assert len(figures) == len([item for item in page.of("div") if item.get("class") == "live"])
    assert sum(words == "Data of this chart" for words in page.words) == len(figures)


def test_each_chart_has_its_specification_and_a_picture(page):
    [data] = [json.loads(text) for attributes, text in page.scripts if attributes.get("type") == "application/json"]
    figures = {item["id"] for item in page.of("figure")}
    assert set(data["charts"]) == figures
    assert set(data["config"]) == {"light", "dark"}
    assert len(page.of("img")) == len(figures)


def test_nothing_is_fetched(page, written):
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/svg+xml;base64,"))
    assert not page.of("link") and not page.of("iframe")
    [policy] = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "http" not in policy and "*" not in policy
    style = re.search(r"<style>(.*?)</style>", (written[0] / "report.html").read_text("utf-8"), re.DOTALL)[1]
    assert "@import" not in style and "url(" not in style
    data = next(text for attributes, text in page.scripts if attributes.get("type") == "application/json")
    assert "http" not in data and '"url"' not in data


def test_hostile_texts_stay_text(page, written):
    for text in HOSTILE:
        assert " ".join(plain_text(text).split()) in page.text
    assert "HUM <script>alert(1)</script>" in page.text
    assert "the loss became NaN at step 40 <b>bold</b>" in page.text
    assert not page.of("b")
    kinds = [attributes.get("type", "javascript") for attributes, _ in page.scripts]
    assert kinds == ["javascript", "application/json", "javascript", "javascript"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def hostile_everywhere():
    """A comparison where every field that data or users fill tries to break out."""
    bad = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 7 }} | `x` \x00"
    comparison = rich(depths=(1, 2), sizes={100: 100, 200: 200}, seeds=3, settings=(FIXED, bad))
    decision = comparison.decision.model_copy(update={"words": bad, "estimand": bad, "labels": [bad]})
    swapped = {
        "name": bad,
        "description": bad,
        "protocol": bad,
        "command": bad,
        "source": bad,
        "answer": [bad, bad],
        "decision": decision,
        "settings": {FIXED: bad, bad: bad},
        "label_names": [bad, bad],
        "method": {bad: bad},
        "environment": {bad: bad},
        "reference": [{"model": bad, "score": bad, "metric": bad, "source": bad, "mark": bad}],
        "failures": [item.model_copy(update={"cell": {bad: bad}, "kind": bad}) for item in comparison.failures],
        "baselines": [item.model_copy(update={"name": bad, "words": bad}) for item in comparison.baselines[:2]],
    }
    return comparison.model_copy(update=swapped)


def test_no_field_breaks_out_of_its_place(tmp_path):
    write_report(hostile_everywhere(), tmp_path)
    page = Outline((tmp_path / "report.html").read_text("utf-8"))
    assert [attributes.get("type", "javascript") for attributes, _ in page.scripts] == [
        "javascript",
        "application/json",
        "javascript",
        "javascript",
    ]
    assert all(image["src"].startswith("data:") for image in page.of("img"))
    assert "{{ 7 * 7 }}" in page.text and "49" not in re.findall(r"onerror=alert\(1\)> (\S+)", page.text)
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render((tmp_path / "report.md").read_text("utf-8"))
    marked = Outline(shown)
    assert not marked.of("script") and not [name for _, item in marked.tags for name in item if name.startswith("on")]
    assert all(image["src"].startswith("charts/") for image in marked.of("img"))
    assert max(Counter(page.ids).values()) == 1


def test_the_smallest_comparison_has_a_report(tmp_path):
    write_report(minimal(), tmp_path)
    page = Outline((tmp_path / "report.html").read_text("utf-8"))
    titles = [words for level, words in page.headings if level == 2]
    assert titles == ["Scores by depth and labels", "Scores by seed", "Methods and settings", "Failures", "Repeat it"]
    assert "A preview. This grid is too small for a verdict." in page.text
    assert len(page.of("figure")) == 1
    assert "None" not in page.text and "nan" not in page.text.lower().split()


def test_no_section_is_an_empty_heading():
    for comparison in (minimal(), rich(baselines=False, latency=False)):
        for section in later_sections(comparison):
            assert section.notes or section.figures or section.tables or section.parts or section.code


def test_pictures_beyond_their_room_are_named_instead():
    vectors = {"small": "<svg/>", "huge": "x" * PICTURE_BYTES, "last": "<svg></svg>"}
    addresses = embedded(vectors)
    assert [name for name, address in addresses.items() if address] == ["small", "last"]


def test_a_large_grid_stays_under_the_limit(tmp_path):
    sizes = {100 * 2**step: 100 * 2**step for step in range(8)}
    write_report(rich(depths=(1, 2, 3, 4, 5, 6), sizes=sizes, seeds=20, settings=(FIXED, MATCHED)), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_importing_the_report_brings_no_torch():
    heavy = {"torch", "transformers", "datasets", "pandas"}
    code = f"import textlstm.analysis.report, sys; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@given(st.text(max_size=80))
@example("1. one")
@example("- item")
@example("[1, 2](http://x.org)")
@example("===")
@example("&lt;b&gt; \\< \\\\")
@example("~~x~~ http://x.org www.x.org a@b.c")
@example("    indented")
def test_escaped_markdown_shows_the_text_itself(text):
    plain = " ".join(plain_text(text).split())
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escape(text)).strip()
    if plain:
        assert unescape(re.fullmatch(r"<p>(.*)</p>", shown, re.DOTALL)[1]) == plain
        assert not re.search(r"<(?!/?p>)", shown)


@given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_an_escaped_text_stays_in_its_cell(texts):
    table = f"| {' | '.join('h' * len(texts))} |\n|{'---|' * len(texts)}\n| {' | '.join(map(escape, texts))} |\n"
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(table)
    cells = re.findall(r"<td>(.*?)</td>", shown, re.DOTALL)
    assert [unescape(cell) for cell in cells] == [" ".join(plain_text(text).split()) for text in texts]


def test_markdown_has_the_same_sections_tables_and_linked_charts(written, page):
    folder, files = written
    text = (folder / "report.md").read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [words for level, words in page.headings if level == 2]
    linked = set(re.findall(r'(?:src="|\]\()(charts/[^")]+)', text))
    assert linked == {path.relative_to(folder).as_posix() for path in files if path.parent.name == "charts"}
    tables = MarkdownIt("commonmark").enable("table").render(text).count("<table>")
    assert tables == len(page.of("table"))
    assert text.count("<details>") == text.count("</details>")
    assert "```sh\ntextlstm run trec --out runs/trec --set 'grid.seeds=10'\n```" in text
    assert all(re.fullmatch(r"[\w-]{1,80}", Path(name).stem) for name in linked)


def test_markdown_says_the_verdict_once():
    whole = rich()
    words = whole.decision.words
    repeated = whole.model_copy(update={"answer": [words, *whole.answer]})
    for comparison in (whole, repeated):
        text = markdown_report(comparison, first_screen(comparison), later_sections(comparison), [])
        assert text.count(escape(words)) == 1
        assert escape(comparison.decision.estimand) in text


def test_methods_hold_the_rules_of_the_verdict():
    methods = next(section for section in later_sections(rich()) if section.name == "methods")
    table = next(table for table in methods.tables if table.title == "Rules of the verdict")
    assert table.rows == [[str(place), rule.verdict, rule.when] for place, rule in enumerate(RULES, 1)]


def test_openings_that_were_not_counted_are_not_called_none():
    unknown = rich().model_copy(update={"test_openings": 0})
    assert "openings of the test split not counted" in facts(unknown)
    methods = next(section for section in later_sections(unknown) if section.name == "methods")
    assert ["test split opened", "not counted"] in methods.tables[0].rows


def test_figures_know_nothing_of_colors_until_drawn():
    assert "config" not in Figure.__dataclass_fields__


def test_the_bounds_of_the_verdict_are_shown_with_what_each_says():
    comparison = rich(depths=(1, 2, 3))
    bounds = [(1, 2, 0.002, 0.03), (1, 3, -0.02, 0.009), (2, 3, 0.001, 0.008), (1, 4, -0.02, 0.02), (2, 4, None, None)]
    comparison = comparison.model_copy(
        update={"decision": comparison.decision.model_copy(update={"bounds": bounds, "delta": 0.01, "size": 500})}
    )
    table = verdict_bounds(comparison)
    assert table.rows == [
        ["1 → 2", "+0.2", "+3.0", "deeper is better"],
        ["1 → 3", "−2.0", "+0.9", "deeper gains under 1.0"],
        ["2 → 3", "+0.1", "+0.8", "deeper is better, by under 1.0"],
        ["1 → 4", "−2.0", "+2.0", "open"],
        ["2 → 4", ABSENT, ABSENT, "open"],
    ]
    assert "at 5 % over 3, the number of other depths" in table.note and "500 labels" in table.note
    assert table in next(section for section in later_sections(comparison) if section.name == "gains").tables
    assert verdict_bounds(minimal()) is None


def test_gains_over_plain_methods_have_their_corrected_p():
    comparison = rich()
    marked = [item.model_copy(update={"holm": 0.0123}) for item in comparison.baselines]
    for table in baseline_tables(comparison.model_copy(update={"baselines": marked})):
        assert "Holm" in table.note
        assert {row[table.headers.index("p (Holm)")] for row in table.rows} == {"0.012"}
