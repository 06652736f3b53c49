"""Reports, claims, advice and cards in which every string means harm: nothing runs, and all of it is read as text."""

import re
from pathlib import Path

import pytest
from chromium import PROGRAM
from fake_comparisons import rich
from hostile_pages import PAYLOADS, Spoiled, visit_hostile, without_policy
from markdown_it import MarkdownIt

from textlstm.analysis.advice.beside import Alternative
from textlstm.analysis.advice.examples import MoreExamples
from textlstm.analysis.advice.page import write_page
from textlstm.analysis.advice.record import Advice, DepthResult
from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.pages import write_all_page, write_claim_page
from textlstm.analysis.claims.record import AllClaims, ClaimReport, ClaimsRow, EffectRecord, Statement
from textlstm.analysis.report import write_report
from textlstm.release.card import CardContent, model_card
from textlstm.results import ClassMetrics, Estimate

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on the path"),
]
SCRIPTS = 4
"""Of each page: a marker, the charts' data, the runtime, and what draws."""


def both(page):
    """The page as it is written, and without the policy that would stop scripts which escaping let through."""
    return page, without_policy(page)


def shown(facts, payloads=PAYLOADS):
    """The payloads that can be read on a page, letter by letter."""
    words = " ".join(facts["words"].split())
    return {text for text in payloads if text in words}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    whole = rich(depths=(1, 2), sizes={100: 100, 200: 200}, seeds=3)
    spoil = Spoiled(keep=("size", "name", "metric"))
    spoiled = spoil(whole.model_copy(update={"failures": [], "reference": []}))
    write_report(spoiled.model_copy(update={"name": PAYLOADS[0]}), folder)
    return folder


def test_a_report(report):
    for facts in visit_hostile(*both(report / "report.html")):
        assert facts["scripts"] == SCRIPTS
        assert shown(facts) == set(PAYLOADS)


def rendered(markdown, place):
    """Markdown as a page, by a renderer that lets raw HTML and all addresses through."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.validateLink = lambda _: True
    place.write_text(f'<!DOCTYPE html><meta charset="utf-8">{reader.render(markdown)}', "utf-8")
    return place


def test_a_report_in_markdown(report):
    page = rendered((report / "report.md").read_text("utf-8"), report / "rendered.html")
    [facts] = visit_hostile(page, charts=False)
    assert facts["scripts"] == 0
    assert shown(facts) == set(PAYLOADS)


def test_a_model_card(tmp_path, make_run, tiny_recipe):
    classes = [ClassMetrics(label=text, rows=9, precision=0.5, recall=0.5, f1=0.5) for text in PAYLOADS]
    recipe = tiny_recipe({"data.label_names": PAYLOADS, "data.text_columns": PAYLOADS[:3], "data.config": PAYLOADS[2]})
    run = make_run(recipe)
    test = run.metrics["test"].model_copy(update={"per_class": classes})
    use = run.data.model_copy(update={"source": "someone/data", "notes": PAYLOADS, "label_names": PAYLOADS})
    run = run.model_copy(update={"metrics": {"test": test}, "data": use, "environment": {"processor": PAYLOADS[0]}})
    config = {"num_layers": 1, "hidden_size": 8, "embedding_size": 8, "bidirectional": True}
    whole = rich(depths=(1, 2), sizes={100: 100}, seeds=3)
    card = model_card(
        CardContent(
            repo_id="someone/x",
            config={**config, "id2label": dict(enumerate(PAYLOADS))},
            max_length=64,
            run=run,
            sizes={f"{text}.onnx": 7 for text in PAYLOADS},
            speed={text: {1: (0.1, 0.2)} for text in PAYLOADS},
            comparison=whole.model_copy(update={"answer": PAYLOADS}),
            license=PAYLOADS[0],
            languages=PAYLOADS,
            onnx=True,
            notes=tuple(PAYLOADS),
        )
    )
    _, front, body = re.split(r"^---\n", card, maxsplit=2, flags=re.MULTILINE)
    assert "someone/data" in front
    [facts] = visit_hostile(rendered(body, tmp_path / "card.html"), charts=False)
    assert facts["scripts"] == 0
    assert shown(facts) == set(PAYLOADS)


def test_the_page_of_an_advice(tmp_path):
    gain = Estimate(value=0.01, low=0.001, high=0.02)
    depth = {"seeds": 3, "score": 0.8, "seconds": 2.0, "parameters": 900}
    plain = Advice(
        source="source",
        rows=100,
        rows_used=90,
        classes=2,
        layers=2,
        hidden_size=8,
        join="join",
        dropout={"dropout": 0.1},
        changed="changed",
        certainty="enough",
        chance_close=0.5,
        delta=0.01,
        gain=gain,
        depths=[
            DepthResult(layers=1, gain=None, state="first", **depth),
            DepthResult(layers=2, gain=gain, state="second", **depth),
        ],
        alternatives=[Alternative("instead", 0.7, gain, 3, 1.0, {"key": "value"})],
        examples=MoreExamples((25, 50), (0.6, 0.7), (0.0, 0.01), None, "examples"),
        seconds=3.0,
        budget=9.0,
        answer=[f"answer {n}" for n in range(len(PAYLOADS))],
        log=["a look"],
        notes=["a note"],
        command="command",
    )
    for facts in visit_hostile(*both(write_page(Spoiled()(plain), tmp_path))):
        assert facts["scripts"] == SCRIPTS
        assert shown(facts) == set(PAYLOADS)


def test_the_pages_of_claims(tmp_path):
    spoil = Spoiled()
    effects = [Effect(*(spoil(part) for part in (name, 1.0, 0.5, 1.5, "unit", 3, "note"))) for name in ("one", "two")]
    table = [{spoil(f"head {n}"): spoil(f"cell {n}{row}") for n in range(4)} for row in range(4)]
    rows = [
        {
            "layers": n,
            "value": 1.0 * n,
            "low": 0.5,
            "high": 3.0,
            "series": spoil(f"series {one}"),
            "words": spoil("words"),
        }
        for n in (1, 2)
        for one in range(3)
    ]
    words = {name: spoil(name) for name in ("title", "axis", "alt_text", "caption")}
    finding = Finding(
        effects[0], others=effects[1:], table=table, charts=[by_depth_figure(rows, name="curves", **words)]
    )
    stated = {name: spoil(name) for name in ("hash", "fingerprint", "statement", "estimand", "when")}
    said = {name: spoil(name) for name in ("name", "overturn", "data", "command")}
    report = ClaimReport(
        stated=Statement(**stated, threshold=1.0, unit=effects[0].unit, seeds=[1, 2], preview=True),
        verdict="undecided",
        answer=PAYLOADS,
        effect=EffectRecord.of(effects[0]),
        others=[],
        table=table,
        notes=[spoil("a note")],
        settings={spoil("a key"): spoil("a value")},
        seconds=1.0,
        **said,
    )
    claim = write_claim_page(report, finding, tmp_path / "claim")
    row = ClaimsRow(
        name="a",
        statement=PAYLOADS[0],
        verdict="supported",
        effect=EffectRecord.of(effects[0]),
        threshold=1.0,
        hash="h",
        folder=PAYLOADS[4],
    )
    lost = [
        row.model_copy(update={"verdict": None, "effect": None, "problem": text, "name": text, "statement": text})
        for text in PAYLOADS
    ]
    claims = AllClaims(preview=True, data=PAYLOADS[1], rows=[row, *lost], command=PAYLOADS[2])
    for facts in visit_hostile(*both(claim), *both(write_all_page(claims, tmp_path))):
        assert facts["scripts"] == SCRIPTS
        assert shown(facts) == set(PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS[:2])
def test_the_visit_sees_what_it_looks_for(tmp_path, payload):
    page = Path(tmp_path / "page.html")
    page.write_text(f"<!DOCTYPE html><p>{payload}")
    with pytest.raises(AssertionError, match=r"script|image"):
        visit_hostile(page, charts=False)
