"""The inspection's page in a real browser: charts drawn, no sideways scroll, texts that stay text, light and dark."""

import asyncio

import pytest
from chromium import PROGRAM, browser_page
from hostile_pages import PAYLOADS, Spoiled, visit_hostile, without_policy

from textlstm.analysis.diagnostics.inspected import Statement
from textlstm.analysis.diagnostics.inspection_page import write_inspection

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on the path"),
]
HOSTILE = "<script>alert('owned')</script> & \"quoted\" <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory, inspection):
    """The page of a model whose first text and first finding mean harm."""
    first, *others = inspection.words.texts
    words = inspection.words.model_copy(update={"texts": [first.model_copy(update={"text": HOSTILE}), *others]})
    said = [Statement(part="words", kind="act", words=HOSTILE, remedy="`--set x=<b>`"), *inspection.statements]
    changed = inspection.model_copy(update={"words": words, "statements": said})
    page, _ = write_inspection(changed, tmp_path_factory.mktemp("inspection"))
    return page


def visit(path, steps, **look):
    """Open the page with some screen and theme, and take steps; the browser must have nothing to say."""

    async def go():
        async with browser_page() as page:
            await page.look(**look)
            await page.open(path)
            await page.until("document.documentElement.dataset.charts === 'drawn'")
            result = await steps(page)
            assert page.logged == []
            assert {url.split(":")[0] for url in page.requested} <= {"file", "data"}
            return result

    return asyncio.run(go())


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_every_chart_is_drawn_inside_its_box_and_nothing_scrolls_sideways(page_file, width, dark):
    async def steps(page):
        facts = await page.run(
            "[...document.querySelectorAll('figure[id]')].map(figure => { const svg ="
            " figure.querySelector('.live svg'); const box = svg.getBoundingClientRect(); return [figure.id,"
            " figure.className, svg.querySelectorAll('.role-mark path, .role-mark line, .role-mark rect').length,"
            " box.width, figure.getBoundingClientRect().width]; })"
        )
        await page.run("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        return facts, await page.run("document.documentElement.scrollWidth")

    facts, wide = visit(page_file, steps, width=width, height=800, dark=dark)
    # Reach before, halfway and after in two directions; norms, distance, four probes, kept layers, likeness twice.
    assert len(facts) == 6 + 1 + 1 + 4 + 1 + 2
    for name, state, marks, drawn, room in facts:
        assert state == "drawn" and marks > 0, name
        assert 150 < drawn <= room + 1, name
    assert wide <= width


def test_legends_fit_and_their_symbols_are_drawn(page_file):
    async def steps(page):
        return await page.run(
            "[...document.querySelectorAll('figure[id^=probe]')].map(figure => { const box ="
            " figure.querySelector('.live').getBoundingClientRect(); return"
            " [...figure.querySelectorAll('.role-legend-symbol path')].map(symbol => [symbol.getAttribute('stroke'),"
            " symbol.closest('.role-scope').getBoundingClientRect().right <= box.right + 1]); })"
        )

    for symbols in visit(page_file, steps):
        assert len(symbols) == 3
        assert all(stroke not in (None, "transparent") and fits for stroke, fits in symbols)


def test_texts_and_findings_are_read_as_text(page_file):
    async def steps(page):
        return await page.run(
            "[document.querySelectorAll('script').length, document.querySelectorAll('img:not(.picture)').length,"
            " document.querySelector('.explained .shaded').textContent, document.querySelector('.findings li"
            " p:nth-child(2)').textContent, document.querySelector('.findings code').textContent]"
        )

    scripts, pictures, text, finding, code = visit(page_file, steps)
    assert (scripts, pictures) == (4, 0)
    assert text == finding == HOSTILE
    assert code == "--set x=<b>"


def test_every_text_name_and_note_of_an_inspection_may_mean_harm(tmp_path, inspection):
    spoil = Spoiled(keep=("reach", "gates", "distance", "probes", "similarity", "training", "remedies", "names"))
    said = [Statement(part="words", kind="act", words=text, remedy=f"`{text}`") for text in PAYLOADS]
    spoiled = spoil(inspection.model_copy(update={"statements": said, "notes": PAYLOADS}))
    page, _ = write_inspection(spoiled, tmp_path)
    for facts in visit_hostile(page, without_policy(page)):
        assert facts["scripts"] == 4
        assert {text for text in PAYLOADS if text in " ".join(facts["words"].split())} == set(PAYLOADS)


def test_shades_are_seen_in_both_themes_and_every_link_leads_somewhere(page_file):
    shade = "getComputedStyle(document.querySelector('.key .for')).backgroundColor"

    async def steps(page):
        before = await page.run(shade)
        await page.look(dark=True)
        after = await page.run(shade)
        lost = await page.run(
            "[...document.querySelectorAll('nav a')].filter(link => !document.querySelector(link.getAttribute('href')))"
            ".map(link => link.textContent)"
        )
        return before, after, lost

    light, dark, lost = visit(page_file, steps)
    assert light != dark and "0, 0, 0, 0" not in (light, dark)
    assert lost == []
