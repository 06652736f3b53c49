"""Any words after `textlstm` lead to the work that was asked for, to usage, or to one sentence with exit code 2."""

import contextlib
import io
import sys

import pytest
import typer
from fuzz_cases import CASES, NASTY, many, sentence
from hypothesis import given
from hypothesis import strategies as st

from textlstm.cli import COMMANDS, command_line, main


class Began(Exception):
    """Work that takes longer than looking at its arguments has begun."""


WORK = """experiment.campaign.conduct experiment.tuning.tune analysis.advice.live.advise
    analysis.claims.campaign.run_claim analysis.claims.campaign.run_all_claims training.finetuning.finetune
    training.pretraining.pretrain training.lesson.give_lesson training.rate_finder.find_rate
    release.hub.push_to_hub release.hub_pull.pull_from_hub release.bundle.write_bundle
    release.demo.writing.write_demo inference.export.export_onnx inference.predictor.Predictor.load
    inference.calibration.calibrate_model analysis.diagnostics.inspection.inspect_model
    analysis.report.write_report""".split()
DATA = "text,label\n" + "".join(f"film {row} is {word},{label}\n" for row in range(20)
                                for word, label in (("good", "pos"), ("bad", "neg")))  # fmt: skip
RECIPE = "name: mine\ndata: {source: data.csv}\ntokenizer: {min_frequency: 1}\ngrid: {layers: [1, 2], seeds: 2}\n"
SETS = [
    "model.num_layers=2",
    "model.hidden_size=-1",
    "training.epochs=x",
    "grid.seeds=99999999999",
    "a.b=c",
    "=",
    "name",
]
LIKELY = ["data.csv", "broken.csv", "recipe.yaml", "sst2", "claims/cost", "listops", "none.csv", "folder", "model",
          "new", "new/deep", "data.csv/below", "plot.svg", "cpu", "1", "2", "0.5", "1-2", "1,2", "full", "all", "a,b",
          "torch", "auto", "word", "max", "text", "label", "pos,neg", "utf-8", "10m", "-", "\ud83d", "²",
          "1-99999999999", "9" * 400]  # fmt: skip


@pytest.fixture
def began(tmp_path, monkeypatch):
    """Files to name, and every long piece of work replaced by a word that it has begun."""
    import importlib

    (tmp_path / "data.csv").write_text(DATA)
    (tmp_path / "broken.csv").write_text('text,label\n"never closed,pos\n')
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept.txt").write_text("mine")
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)

    def begin(*arguments, **options):
        raise Began

    for place in WORK:
        module, _, name = place.rpartition(".")
        if module.endswith("Predictor"):
            owner = importlib.import_module("textlstm.inference.predictor").Predictor
        else:
            owner = importlib.import_module(f"textlstm.{module}")
        monkeypatch.setattr(owner, name, begin)
    monkeypatch.setattr("uvicorn.run", begin)
    return tmp_path


def options_of(command):
    """The options of a command by name, and whether each takes a value."""
    return {
        parameter.opts[0]: not parameter.is_flag
        for parameter in command.params
        if parameter.param_type_name == "option"
    }


GROUP = typer.main.get_command(command_line())
OPTIONS = {name: options_of(command) for name, command in GROUP.commands.items() if name != "recipes"}
OPTIONS |= {f"recipes {name}": options_of(command) for name, command in GROUP.commands["recipes"].commands.items()}


@st.composite
def arguments(draw):
    """A command with words that fit it or not; options stand by their names, with values or without."""
    command = draw(st.sampled_from([*OPTIONS, *OPTIONS, *NASTY[:3], "--version", "trian"]))
    value = st.one_of(st.sampled_from(LIKELY), st.sampled_from(NASTY))
    words = draw(st.lists(st.sampled_from(LIKELY), max_size=2))
    named = list(OPTIONS.get(command, {"--help": False, "--nonsense": True}))
    for option in draw(st.lists(st.sampled_from([*named, "--set", "--out", "--nonsense"]), max_size=3)):
        words.append(option)
        if OPTIONS.get(command, {}).get(option, True) or draw(st.integers(0, 9)) == 0:
            words.append(draw(st.sampled_from(SETS)) if option == "--set" else draw(value))
    return [*command.split(" "), *words]


def run(words):
    """Run the command line in this process; how it ended, and what it said."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = (sys.argv, sys.stdin), ["textlstm", *words]
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"film\n"), "utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        return 0, out.getvalue(), err.getvalue()
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    except Began:
        return "began", out.getvalue(), err.getvalue()
    finally:
        sys.argv, sys.stdin = before


@CASES
def test_any_words(began, cases):
    @many(cases)
    @given(arguments())
    def each(words):
        words = [word for word in words if word != "--debug"]  # which asks for tracebacks
        code, _, said = run(words)
        assert code in (0, 2, "began"), said
        assert "Traceback" not in said
        if "textlstm: " in said:
            sentence(said.rpartition("textlstm: ")[2])
        assert (began / "folder" / "kept.txt").read_text() == "mine"
        assert (began / "data.csv").read_text() == DATA
        assert (began / "recipe.yaml").read_text() == RECIPE

    each()


def test_every_command_is_tried():
    assert set(COMMANDS) - {"recipes"} <= set(OPTIONS)
