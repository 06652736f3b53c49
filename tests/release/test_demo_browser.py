"""The demo in a real browser, with the libraries from npm: Python's labels on real texts, and a page to be used."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_pages import CHINESE, ODD, served

from textlstm.inference.calibration import Calibration, read_calibration, write_calibration
from textlstm.inference.model_files import weights_digest
from textlstm.inference.onnx_classifier import OnnxClassifier
from textlstm.release.demo.writing import _write_page, write_demo
from textlstm.text.datasets import load_data
from textlstm.text.encoding import encode_by
from textlstm.training.finetuning import finetune

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
from chromium import PROGRAM, browser_page
from hostile_pages import CLEAN, FACTS, PAYLOADS, WATCH

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on the path"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on the path"),
]
TEMPERATURE = 0.8


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_recipe):
    """Texts that every Python carries and reviews in Chinese with emoji, in one model; and 200 more texts to ask it."""
    real = load_data("pydocs")
    names, train, test = real.label_names, real.splits["train"], real.splits["test"]
    rows = np.linspace(0, len(train) - 1, 300).astype(int)
    texts = [train.text_list()[row] for row in rows] + [text for text, _ in CHINESE * 10]
    labels = [names[train.labels[row]] for row in rows] + [label for _, label in CHINESE * 10]
    folder = tmp_path_factory.mktemp("browser") / "model"
    size = {"embedding_size": 24, "hidden_size": 16, "num_layers": 2}
    settings = {f"model.{key}": value for key, value in size.items()}
    recipe = tiny_recipe(settings | {"tokenizer.max_length": 64, "training.epochs": 8, "training.batch_size": 16})
    finetune(recipe, load_data((texts, labels), validation=(texts[::7], labels[::7])), out=folder)
    write_calibration(folder, Calibration(TEMPERATURE, None, 60, "texts", 0.6, 0.5, weights_digest(folder)))
    asked = test.text_list()[:200]
    assert len(asked) == 200
    return folder, [*asked, *(text for text, _ in CHINESE), *ODD]


@pytest.fixture(scope="module")
def demo(model, tmp_path_factory):
    folder, _ = model
    made = write_demo(folder, tmp_path_factory.mktemp("demo") / "page", vendor=True, examples=["太棒了! 👍🏽"])
    with served(made.folder) as address:
        yield made, address


def visit(demo, steps, **look):
    """Open the page and take steps; nothing may be logged, and nothing asked of another server."""
    made, address = demo

    async def go():
        async with browser_page() as page:
            await page.look(**look)
            await page.send("Page.navigate", url=address)
            await page.until("document.body?.dataset.state", 120)
            assert page.logged == []
            result = await steps(page)
            assert page.logged == []
            asked = [url.removeprefix(address.rpartition("/")[0] + "/") for url in page.requested]
            assert not [url for url in asked if "://" in url and not url.startswith("data:")]
            assert len(asked) == len(set(asked)), "nothing is loaded twice"
            loaded = {url for url in asked if not url.startswith("data:")}
            assert loaded == {name for name in made.files if not name.endswith((".md", ".LICENSE"))}
            return result

    return asyncio.run(go())


async def typed(page, text):
    quoted = json.dumps(text)
    await page.run(
        f"(() => {{ const box = document.getElementById('text'); box.value = {quoted};"
        " box.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    await page.until("document.body.dataset.done === document.getElementById('text').value", 120)


def test_labels_and_probabilities_are_those_of_python(demo, model):
    """The int8 graph runs natively here and by WebAssembly there; ids are equal, scores nearly."""
    folder, texts = model
    made, _ = demo
    assert "same labels as on this processor" in (made.parity or "")  # npm is there, so Node.js is
    classifier = OnnxClassifier.load(made.folder / "model.onnx", folder)
    encoded = encode_by(classifier.backend, texts, unk_id=classifier.unk_id)
    logits = classifier.logits(encoded, batch_tokens=1, batch_rows=1).astype(np.float64)
    logits /= TEMPERATURE
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)

    async def steps(page):
        return await page.run(
            "import('./demo.js').then(async demo => { const found = [];"
            f" for (const text of {json.dumps(texts)}) {{ const {{ chances }} = await demo.chancesOf(text);"
            " found.push([demo.idsOf(text).ids, chances, demo.givenLabels(chances)]); } return found; })"
        )

    answers = visit(demo, steps)
    ids, chances, given = zip(*answers, strict=True)
    assert [list(encoded[row]) for row in range(len(texts))] == [list(one) for one in ids]
    assert [[k] for k in expected.argmax(axis=1)] == list(given)
    assert np.abs(expected - np.array(chances)).max() < 0.02
    names = classifier.label_names
    right = [
        names[k[0]] == label for (_, label), k in zip(CHINESE, given[-len(ODD) - len(CHINESE) : -len(ODD)], strict=True)
    ]
    assert sum(right) >= 13, "a model that knows nothing would agree with itself by chance"


def test_the_reader_sees_label_probabilities_and_words(demo):
    """Words that are left out change the probability as the table says; the label's figures add up."""
    text = "这部电影非常好看,演员的表演也很精彩 😀"

    async def steps(page):
        await typed(page, text)
        first = await page.run(
            "({verdict: document.getElementById('verdict').textContent,"
            " words: document.getElementById('words').textContent,"
            " effects: [...document.querySelectorAll('#effects tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent))})"
        )
        word = first["effects"][0][0]
        await typed(page, text.replace(word, "", 1))
        verdict = await page.run("document.getElementById('verdict').textContent")
        return first, verdict

    first, verdict = visit(demo, steps)
    assert first["verdict"].startswith("好评 👍, ")
    assert first["words"] == text
    assert {"😀", "电影"} & {word for word, *_ in first["effects"]} or len(first["effects"]) == 8
    _, without, change = first["effects"][0]
    before = float(first["verdict"].split(", ")[1].rstrip(" %"))
    assert float(without.rstrip(" %")) - before == pytest.approx(float(change.replace("−", "-")), abs=0.11)
    if verdict.startswith("好评"):
        assert float(verdict.split(", ")[1].rstrip(" %")) == pytest.approx(float(without.rstrip(" %")), abs=0.11)


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_and_a_finger_finds_the_buttons(demo, dark):
    async def steps(page):
        await page.run("document.querySelector('.example').click()")
        await page.until("document.body.dataset.done", 120)
        return await page.run(
            "({room: document.documentElement.clientWidth, used: document.documentElement.scrollWidth,"
            " small: [...document.querySelectorAll('button, select, textarea')].filter(one => one.offsetParent)"
            ".filter(one => one.getBoundingClientRect().height < 44).length})"
        )

    assert visit(demo, steps, width=320, height=640, dark=dark) == {"room": 320, "used": 320, "small": 0}


def test_it_can_be_read_aloud_and_used_by_keyboard(demo):
    """Every field has a name, results are announced, figures have headers, colors are not all that tells."""

    async def steps(page):
        await typed(page, "great film 👍")
        tree = (await page.send("Accessibility.getFullAXTree"))["nodes"]
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node.get("ignored") and node["role"]["value"] in ("textbox", "combobox", "button", "table", "status")
        ]
        live = await page.run("document.getElementById('verdict').getAttribute('aria-live')")
        await page.run("document.getElementById('text').focus()")
        stops = []
        for _ in range(3):
            await page.press("Tab")
            stops.append(await page.run("document.activeElement.id || document.activeElement.className"))
        return named, live, stops

    named, live, stops = visit(demo, steps)
    roles = [role for role, _ in named]
    assert roles.count("table") == 2 and "textbox" in roles and "combobox" in roles
    assert all(name for role, name in named if role != "status"), named
    assert live == "polite"
    assert stops[0] == "example" and "explained" in stops


def test_several_labels_are_given_by_their_thresholds(tagged, tmp_path):
    made = write_demo(tagged, tmp_path / "page", vendor=True)
    texts = ["a good film", "the bad story was bad and it was seen", "unheard", "good and bad", *ODD[:4]]
    classifier = OnnxClassifier.load(made.folder / "model.onnx", tagged)
    encoded = encode_by(classifier.backend, texts, unk_id=classifier.unk_id)
    calibration = read_calibration(tagged)
    logits = classifier.logits(encoded, batch_tokens=1, batch_rows=1) / calibration.temperature
    expected = 1 / (1 + np.exp(-logits.astype(np.float64)))
    thresholds = calibration.thresholds_of(classifier.label_names)

    async def steps(page):
        return await page.run(
            "import('./demo.js').then(async demo => { const found = [];"
            f" for (const text of {json.dumps(texts)}) {{ const {{ chances }} = await demo.chancesOf(text);"
            " found.push([chances, demo.givenLabels(chances)]); } return found; })"
        )

    with served(made.folder) as address:
        answers = visit((made, address), steps)
    for row, (chances, given) in enumerate(answers):
        assert chances == pytest.approx(expected[row].tolist(), abs=0.02)
        clear = np.abs(expected[row] - thresholds) > 0.02
        assert [k in given for k in np.flatnonzero(clear)] == (expected[row] >= thresholds)[clear].tolist()
    assert {len(given) for _, given in answers} > {1}


def test_hostile_text_stays_text(demo):
    text = "<img src=x onerror=\"document.title='taken'\"> <b>bold</b>"

    async def steps(page):
        await typed(page, text)
        return await page.run("[document.title, document.querySelectorAll('#words img, #words b').length]")

    assert visit(demo, steps) == ["model", 0]


def test_labels_title_and_examples_that_mean_harm_are_read_as_text(demo, tmp_path):
    """The same model under other names: labels of strangers, and what somebody wrote for title and buttons."""
    made, _ = demo
    page_folder = tmp_path / "page"
    shutil.copytree(made.folder, page_folder)
    settings = json.loads((page_folder / "demo.json").read_text("utf-8"))
    for first in (0, 2, 6):
        named = {"labels": PAYLOADS[first : first + 2], "title": PAYLOADS[first], "examples": PAYLOADS}
        _write_page(page_folder, settings | named, page_folder / "vendor")
        bare = (page_folder / "index.html").read_text("utf-8").replace("Content-Security-Policy", "nothing")
        (page_folder / "index.html").write_text(bare, "utf-8")
        facts = asyncio.run(_hostile_visit(page_folder, first))
        own = {"scripts": 1, "strangers": 5}  # the form, the icon, the style sheet and two libraries
        assert facts | CLEAN | own == facts
        shown = " ".join(facts["words"].split())
        assert all(text in shown for text in PAYLOADS)


async def _hostile_visit(folder, first):
    """Press a button with a hostile text, and let the page explain its answer."""
    with served(folder) as address:
        async with browser_page() as page:
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            await page.look()
            await page.send("Page.navigate", url=address)
            await page.until("document.body?.dataset.state === 'ready'", 120)
            await page.run(f"document.querySelectorAll('.example')[{first}].click()")
            await page.until("document.body.dataset.done", 120)
            facts = await page.run(FACTS)
            assert page.logged == []
    return facts


def test_a_model_that_does_not_load_is_said(demo, tmp_path):
    made, _ = demo
    broken = tmp_path / "page"
    shutil.copytree(made.folder, broken)
    (broken / "model.onnx").unlink()
    with served(broken) as address:

        async def go():
            async with browser_page() as page:
                await page.look()
                await page.send("Page.navigate", url=address)
                await page.until("document.body?.dataset.state", 120)
                return await page.run("[document.body.dataset.state, document.getElementById('state').textContent]")

        state, said = asyncio.run(go())
    assert state == "failed"
    assert said == "The model could not be loaded: model.onnx answered 404."
