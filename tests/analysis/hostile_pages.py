"""Texts that would run code wherever a page forgot to escape them, and a visit that sees whether any did."""

import asyncio
import dataclasses
import re
import typing
from pathlib import Path

from chromium import browser_page
from pydantic import BaseModel

PAYLOADS = [
    "<script>ran.push('script')</script>",
    "<img src=x onerror=\"ran.push('image')\">",
    "</script><script>ran.push('end of script')</script>",
    "</title></style></textarea><svg onload=ran.push('svg')>",
    "javascript:ran.push('address')",
    "[click](javascript:ran.push('link')) <a href='javascript:ran.push(1)'>a</a> <javascript:ran.push(2)>",
    '" onmouseover="ran.push(\'double\')" autofocus onfocus="ran.push(\'focus\')" x="',
    "' onmouseover='ran.push(3)' autofocus onfocus='ran.push(4)' x='",
    "]]><script>ran.push('cdata')</script><![CDATA[",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} {{constructor.constructor('ran.push(5)')()}}",
    "datum.constructor.constructor('ran.push(6)')() || signal('x'); ran.push(7)",
    "<!--<script>ran.push('comment')--></script>",
    "\\u003cscript\\u003eran.push(8)\\u003c/script\\u003e &lt;script&gt;ran.push(9)&lt;/script&gt; &#60;b&#62;",
    "<details open ontoggle=ran.push('toggle')><iframe srcdoc=\"<script>parent.ran.push('frame')</script>\">",
    "`code` **bold** | cell | # heading ~~gone~~ ![x](javascript:ran.push(10)) $x$ @someone",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--><img src=1 onerror=ran.push('mutation')>\">",
]
WATCH = (
    "window.ran = []; for (const name of ['alert', 'confirm', 'prompt', 'open'])"
    " window[name] = (...given) => { window.ran.push([name, ...given]); };"
)
FACTS = """(() => {
  const all = [...document.querySelectorAll('*')];
  const drawn = one => one.closest('.live, .choice, #vg-tooltip-element');
  return {
    ran: window.ran,
    scripts: document.querySelectorAll('script').length,
    strangers: all.filter(one => /^(iframe|object|embed|link|base|math|video|form)$/i.test(one.tagName)).length,
    images: all.filter(one => one.tagName === 'IMG' && !/^(data:image[/]svg[+]xml;base64|charts[/][\\w-]+[.](svg|png)$)/
      .test(one.getAttribute('src'))).length,
    vectors: all.filter(one => one.tagName === 'svg' && !drawn(one)).length,
    handlers: all.flatMap(one => [...one.attributes]).filter(one => /^on/i.test(one.name)).length,
    addresses: all.flatMap(one => [...one.attributes]).filter(
      one => /^(href|src|action|xlink:href|formaction)$/.test(one.name) && /^\\s*javascript:/i.test(one.value)).length,
    words: document.title + ' ' + [...document.querySelectorAll('body, body *')].flatMap(
      one => ['alt', 'aria-label'].map(name => one.getAttribute(name) || '')).join(' ')
      + ' ' + document.body.textContent,
  };
})()"""
CLEAN = {"ran": [], "strangers": 0, "images": 0, "vectors": 0, "handlers": 0, "addresses": 0}


class Spoiled:
    """Puts a payload into every string of a value: equal strings into equal ones, so that groups stay groups."""

    def __init__(self, *, keep=(), kept_words=()):
        self.keep, self.kept_words, self.known = set(keep), set(kept_words), {}

    def word(self, text):
        if text in self.kept_words or not text:
            return text
        return self.known.setdefault(text, f"{PAYLOADS[len(self.known) % len(PAYLOADS)]} {len(self.known)}")

    def __call__(self, value):
        if isinstance(value, str):
            return self.word(value)
        if isinstance(value, BaseModel):
            names = {name for name, field in type(value).model_fields.items() if not _is_literal(field.annotation)}
            return value.model_copy(update={name: self(getattr(value, name)) for name in names - self.keep})
        if dataclasses.is_dataclass(value):
            names = {field.name for field in dataclasses.fields(value)} - self.keep
            return dataclasses.replace(value, **{name: self(getattr(value, name)) for name in names})
        if isinstance(value, dict):
            return {self(key): value[key] if key in self.keep else self(value[key]) for key in value}
        if isinstance(value, list | tuple):
            return type(value)(map(self, value))
        return value


def _is_literal(annotation):
    parts = (annotation, *typing.get_args(annotation))
    return any(typing.get_origin(part) is typing.Literal for part in parts)


def without_policy(page):
    """A copy of a page without its content security policy, so that escaping alone is what stops scripts."""
    text, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    assert count == 1
    copy = page.with_name(f"bare-{page.name}")
    copy.write_text(text, "utf-8")
    return copy


def visit_hostile(*pages: Path, charts=True):
    """Open pages one after another, point at every chart and open every fold; give what each page shows.

    No script of a text may have run, no element or address of one be there, and the browser must have nothing to say.
    """

    async def go():
        found = []
        async with browser_page() as page:
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            await page.look()
            for path in pages:
                await page.open(path)
                if charts:
                    await page.until("document.documentElement.dataset.charts === 'drawn'")
                await page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
                await point_at_charts(page)
                await page.run(
                    'document.querySelectorAll(\'a[href^="#"], a[href^="javascript:" i]\').forEach(one => one.click())'
                )
                await page.run("new Promise(done => setTimeout(done, 50))")
                facts = await page.run(FACTS)
                assert facts | CLEAN == facts, {key: facts[key] for key in facts if facts[key] != CLEAN.get(key)}
                assert page.logged == []
                found.append(facts)
        return found

    return asyncio.run(go())


async def point_at_charts(page):
    """Raise the tooltip of a mark in each chart, and choose what its select offers last."""
    places = await page.run(
        "[...document.querySelectorAll('figure[id] .live')].map(live => live.querySelector("
        "'.mark-symbol.role-mark path, .mark-rect.role-mark path')).map((mark, n) => mark ? n : -1).filter(n => n >= 0)"
    )
    for place in places:
        at = await page.run(
            f"(() => {{ const live = [...document.querySelectorAll('figure[id] .live')][{place}];"
            " const mark = live.querySelector('.mark-symbol.role-mark path, .mark-rect.role-mark path');"
            " mark.scrollIntoView({block: 'center', behavior: 'instant'}); const box = mark.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        await page.hover(*at)
    await page.run(
        "document.querySelectorAll('figure select').forEach(one => { one.value = one.options[one.options.length - 1]"
        ".value; one.dispatchEvent(new Event('change', {bubbles: true})); })"
    )
