"""The README and the tutorial followed word by word: their commands run in their order, on small files of those names.

What makes a command small stands behind its own words: of an option that is given twice, the last one counts.
"""

import re
import shlex
from pathlib import Path

import pytest

from textlstm.results import RESULT_FILE

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
TRAINS = {"train", "compare", "advise"}
GRID = ["--layers", "1,2", "--sizes", "60", "--seeds", "1", "--workers", "0"]
LESS = {"compare": GRID, "advise": ["--max-layers", "2", "--budget", "5m", "--workers", "0"]}
MAKES = {
    "README.md": [
        *("my-model/result.json", "labeled.csv", "my-model/onnx/model_quantized.onnx", "my-model-published/README.md"),
        *("page/index.html", "runs/tickets/report.html"),
    ],
    "docs/tutorial.md": [
        *("tickets-model/result.json", "labeled.csv", "runs/tickets/report.html"),
        *("tickets-model/onnx/model_quantized.onnx", "tickets-model-published/README.md"),
    ],
}
"""What is there at the end, by page."""


@pytest.fixture
def place(tmp_path, monkeypatch, planted, write_csv):
    """A folder with the files that the pages name; a comparison of 1,000 labels wants some more rows than that."""
    for seed, (name, rows) in enumerate({"reviews": 80, "tickets": 1500, "new": 20, "test": 30}.items()):
        write_csv(tmp_path / f"{name}.csv", *planted(rows, seed))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(page, language):
    return [text for kind, text in BLOCK.findall((ROOT / page).read_text("utf-8")) if kind == language]


def command_lines(page):
    for line in "".join(blocks(page, "")).splitlines():
        if line.startswith("textlstm "):
            yield shlex.split(line, comments=True)[1:]


@pytest.mark.slow
@pytest.mark.parametrize("page", MAKES)
def test_a_page_can_be_followed(place, page, succeed, tiny_options):
    seen = set()
    for words in command_lines(page):
        seen.add(words[0])
        planned = "--dry-run" in words and words[0] == "compare"  # in full: it costs nothing
        less = [] if planned else [*(tiny_options if words[0] in TRAINS else []), *LESS.get(words[0], [])]
        succeed(*words, *less)
        if planned:
            assert not (place / "runs" / "tickets").exists()
    assert {"check", "train", "predict", "evaluate", "compare", "export", "push"} <= seen
    assert [name for name in MAKES[page] if not (place / name).is_file()] == []
    assert len(list((place / "runs" / "tickets").rglob(RESULT_FILE))) >= 2
    names = {}
    (code,) = blocks("docs/reference/results.md", "python")
    exec(compile(code, "results.md", "exec"), names)  # noqa: S102 - our own page
    assert {run.cell["layers"] for run in names["runs"]} == {0, 1, 2}  # and the bag of embeddings
    assert names["comparison"].name == "tickets"


def test_the_recipe_of_the_readme_plans_its_grid(place, succeed):
    (text,) = blocks("README.md", "yaml")
    (place / "mine.yaml").write_text(text)
    # 3 depths x 3 sizes x 10 seeds x 2 joins x 3 controls (parameters are matched at both ends), and the bag.
    assert "570 cells, which are 450 different runs." in succeed("run", "mine.yaml", "--dry-run").out
