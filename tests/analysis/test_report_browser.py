"""The report in a real browser: charts drawn, hover, themes, phone, paper, keyboard, no network, hostile texts."""

import asyncio

import pytest
from chromium import PROGRAM, browser_page
from fake_comparisons import minimal, rich

from textlstm.analysis.report import write_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on the path"),
]
DRAWN = "document.documentElement.dataset.charts === 'drawn'"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("report")
    write_report(rich(), made)
    return made


def visit(path, steps, **look):
    """Open a report as a reader with some screen and theme, and take steps; the browser must have nothing to say."""

    async def go():
        async with browser_page() as page:
            await page.look(**look)
            await page.open(path)
            if look.get("script", True):
                await page.until(DRAWN)
            result = await steps(page)
            assert page.logged == []
            assert {url.split(":")[0] for url in page.requested} <= {"file", "data"}
            assert sum(url.startswith("file:") for url in page.requested) == 1
            return result

    return asyncio.run(go())


async def chart_facts(page):
    """For each chart: its name, its marks and its size."""
    return await page.run(
        "[...document.querySelectorAll('figure[id]')].map(figure => { const svg = figure.querySelector('.live svg');"
        " const box = svg.getBoundingClientRect(); return [figure.id, figure.className, svg.querySelectorAll("
        "'.role-mark path, .role-mark line, .role-mark rect').length, box.width, box.height,"
        " figure.getBoundingClientRect().width]; })"
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_chart_is_drawn_inside_its_box(folder, dark):
    async def steps(page):
        return await chart_facts(page), await page.run(BACKGROUND)

    facts, background = visit(folder / "report.html", steps, dark=dark)
    assert len(facts) == 22
    for name, state, marks, width, height, room in facts:
        assert state == "drawn" and marks > 0, name
        assert 150 < width <= room + 1 and height > 60, name
    assert background == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")


def test_charts_follow_a_change_of_theme_and_keep_the_chosen_size(folder):
    ink = "document.querySelector('#learning-curves-fixed_width .role-axis-label text').getAttribute('fill')"
    select = "document.querySelector('#seeds-fixed_width select')"

    async def steps(page):
        before = await page.run(ink)
        await page.run(
            f"{select}.value = '200'; {select}.dispatchEvent(new Event('input', {{bubbles: true}}));"
            f"{select}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )
        await page.look(dark=True)
        await page.until(f"{ink} !== '{before}'")
        await page.until(DRAWN)
        return before, await page.run(ink), await page.run(f"{select}.value")

    assert visit(folder / "report.html", steps) == ("#1f2328", "#e6e8eb", "200")


def test_hovering_shows_mean_interval_and_seeds(folder):
    point = "document.querySelectorAll('#learning-curves-fixed_width .mark-symbol.role-mark path')"

    async def steps(page):
        at = await page.run(
            f"(() => {{ const all = [...{point}]; const last = all[all.length - 1]; last.scrollIntoView("
            "{block: 'center', behavior: 'instant'}); const box = last.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        await page.hover(*at)
        await page.until("document.querySelector('#vg-tooltip-element.visible')")
        return await page.run("document.querySelector('#vg-tooltip-element').innerText")

    shown = visit(folder / "report.html", steps)
    for words in ("layer", "mean", "95 % interval", "band of the curve", "seeds", "10", "["):
        assert words in shown
    assert "undefined" not in shown and "null" not in shown


def test_choosing_another_size_draws_other_seeds(folder):
    select = "document.querySelector('#seeds-fixed_width select')"
    marks = "document.querySelector('#seeds-fixed_width .live svg').outerHTML"

    async def steps(page):
        before = await page.run(marks)
        await page.run(
            f"{select}.value = '100'; {select}.dispatchEvent(new Event('input', {{bubbles: true}}));"
            f"{select}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )
        await page.until(f"{marks} !== {before!r}" if len(before) < 10 else f"{marks}.length !== {len(before)}")
        return await page.run("document.querySelectorAll('#seeds-fixed_width .mark-symbol.role-mark path').length")

    assert visit(folder / "report.html", steps) == 40


@pytest.mark.parametrize("width", [320, 360, 768])
def test_no_page_scrolls_sideways(folder, width):
    async def steps(page):
        wide = await page.run("document.documentElement.scrollWidth")
        await page.run("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        opened = await page.run("document.documentElement.scrollWidth")
        scrolling = await page.run(
            "[...document.querySelectorAll('.box')].filter(box => box.scrollWidth > box.clientWidth).length"
        )
        return wide, opened, scrolling, await chart_facts(page)

    wide, opened, scrolling, facts = visit(folder / "report.html", steps, width=width, height=740)
    assert wide == opened <= width
    assert scrolling > 0  # wide tables move inside their box
    assert all(drawn <= room + 1 for _, _, _, drawn, _, room in facts)


def test_keyboard_reaches_the_scores_the_charts_and_the_details(folder):
    focused = "document.activeElement"

    async def steps(page):
        await page.press("Tab")
        first = await page.run(f"{focused}.className")
        await page.press("Enter")
        landed = await page.run("location.hash")
        seen = set()
        for _ in range(30):
            await page.press("Tab")
            seen.add(await page.run(f"{focused}.tagName + '.' + {focused}.className.split(' ')[0]"))
        await page.run("document.querySelector('#learning-curves-fixed_width summary').focus()")
        await page.send(
            "Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
        )
        await page.send("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
        opened = await page.run("document.querySelector('#learning-curves-fixed_width details').open")
        outline = await page.run(f"getComputedStyle({focused}).outlineStyle")
        return first, landed, seen, opened, outline

    first, landed, seen, opened, outline = visit(folder / "report.html", steps)
    assert first == "skip"
    assert landed == "#content"
    assert {"DIV.box", "DIV.live", "SUMMARY."} <= seen
    assert opened and outline == "solid"


def test_paper_has_light_pictures_and_open_details(folder):
    async def steps(page):
        return await page.run(
            "(() => { const shown = (item) => item.getClientRects().length > 0;"
            " return { live: [...document.querySelectorAll('.live')].some(shown),"
            " pictures: [...document.querySelectorAll('.picture')].every(shown),"
            " tables: [...document.querySelectorAll('figure:not(.small figure) details table')].every(shown),"
            f" paper: {BACKGROUND}, wide: document.documentElement.scrollWidth }}; }})()"
        )

    facts = visit(folder / "report.html", steps, dark=True, media="print", width=673)  # A4 less its margins
    assert facts.pop("wide") <= 673
    assert facts == {"live": False, "pictures": True, "tables": True, "paper": "rgb(255, 255, 255)"}


def test_without_scripts_pictures_stand_in(folder):
    async def steps(page):
        await page.look()
        return await page.run(
            "[document.documentElement.className, [...document.querySelectorAll('img.picture')].filter("
            "item => item.complete && item.naturalWidth > 100 && item.getClientRects().length).length,"
            " document.querySelectorAll('.live svg').length]"
        )

    assert visit(folder / "report.html", steps, script=False) == ["", 22, 0]


def test_hostile_texts_run_nothing_and_are_read_as_text(folder):
    async def steps(page):
        return await page.run(
            "[document.title, document.querySelectorAll('script').length,"
            " document.querySelectorAll('img:not(.picture)').length,"
            " document.body.innerText.includes(\"<script>alert('owned')</script> is this a question?\")]"
        )

    assert visit(folder / "report.html", steps) == ["trec: what each LSTM layer buys and costs", 4, 0, True]


def test_the_smallest_report_is_drawn_too(tmp_path):
    write_report(minimal(), tmp_path)
    [[name, state, marks, *_]] = visit(tmp_path / "report.html", chart_facts)
    assert (name, state) == ("seeds-fixed_width", "drawn") and marks > 0
