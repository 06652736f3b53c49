"""Recipe files and `--set` from anyone give a valid recipe that is written and read back, or a list of problems."""

from pathlib import Path

import pytest
import yaml
from fuzz_cases import CASES, NASTY, damaged, many, result_or_sentence
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.experiment.grid import plan_cells
from textlstm.recipe import known_keys, validate
from textlstm.recipe_files import load_recipe, parse_override, shipped_recipes
from textlstm.recipe_keys import flatten

KEYS = [*known_keys(), "grid.model.join", "grid.training.learning_rate", "grid.model.pooling", "nonsense", "model", ""]
YAML_WORDS = ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!timestamp x", "!!int ''"]
YAML_WORDS += [
    "!!bool maybe",
    "!!binary x",
    "!!float abc",
    "0b_",
    "0x_",
    "1_000",
    "1:60:60",
    "2020-13-45",
    "*a",
    "&a [*a]",
]
YAML_WORDS += [
    "~",
    "yes",
    "{? [a] : b}",
    "[1, {a: [b]}]",
    "<<: 1",
    "- - - 1",
    "|\n x",
    ".inf",
    ".nan",
    "1e400",
    "9" * 5000,
]
NUMBERS = [0, 1, 2, -1, 3, 0.5, 1e-9, float("inf"), float("nan"), True, None, 10**9, 10**30]
FITTING = ["word", "bpe", "pretrained", "max", "auto", "full", "plain", "residual", "fixed_width", "matched_parameters"]
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *FITTING, *NASTY]),
    st.lists(st.sampled_from([*NUMBERS, *FITTING]), max_size=3),
    st.dictionaries(
        st.sampled_from(["kind", "name", "a", "x.y", ""]), st.sampled_from([*NUMBERS, *FITTING]), max_size=2
    ),
)
PLAIN = {"name": "plain", "data": {"source": "listops"}}


def followed(recipe, *, planned=True):
    """What every command does with a recipe first; what is written is read back as the same recipe."""
    again = validate(yaml.safe_load(recipe.to_yaml()), origin="what was written")
    assert again.fingerprint() == recipe.fingerprint()
    assert Path("runs", recipe.name).resolve().is_relative_to(Path("runs").resolve())
    for cell in plan_cells(recipe) if planned else ():
        assert len(cell.path.parts) >= 3
        assert not {"..", "/"} & set(cell.path.parts)
        assert max(map(len, cell.path.parts)) <= 255
    return recipe


def load(path):
    return followed(load_recipe(path), planned=False)


@CASES
def test_files(tmp_path, cases):
    texts = [path.read_bytes() for path in shipped_recipes().values() if path.stat().st_size < 3000]
    words = st.lists(st.tuples(st.sampled_from(["name", "data", "model", "grid", "a"]), st.sampled_from(YAML_WORDS)))
    made = words.map(lambda pairs: "\n".join(f"{key}: {value}" for key, value in pairs).encode())
    path = tmp_path / "recipe.yaml"

    @many(cases)
    @given(st.one_of(damaged(st.sampled_from(texts)), damaged(made)))
    def each(content):
        path.write_bytes(content)
        result_or_sentence(load, path)

    each()


DEFAULTS = flatten(validate(PLAIN, origin="test").model_dump(mode="json"))


@st.composite
def changes(draw):
    """Some keys with their own default, with a value of the same kind, or with anything."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    made = {}
    for key in keys:
        own = DEFAULTS.get(key)
        near = st.sampled_from([1, 2, 3]) if type(own) is int else st.sampled_from([own, True, 0.5, 2])
        made[key] = draw(st.one_of(st.just(own), near, VALUES))
    return made


@CASES
def test_values_at_keys(cases):
    @many(cases)
    @given(changes())
    def each(given):
        result_or_sentence(lambda: followed(validate(PLAIN, origin="test").override(given)))

    each()


@CASES
def test_set(cases):
    value = st.one_of(st.sampled_from([*YAML_WORDS, *map(str, NUMBERS), *FITTING, *NASTY]), st.text(max_size=12))
    keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS).map("{}.x".format), st.text(max_size=8))

    @many(cases)
    @given(st.lists(st.tuples(keys, st.sampled_from(["=", "=", "=", "", "=="]), value).map("".join), max_size=3))
    def each(settings):
        def change():
            return followed(validate(PLAIN, origin="test").override(dict(map(parse_override, settings))))

        result_or_sentence(change)

    each()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "too large"),
        ("name: &a [*a]\n", "too large|nested"),
        ("name: " + "[" * 20_000, "nested too deeply"),
        ("name: x\ndata: {source: listops}\ngrid: {seeds: 1000000000}\n", "grid.seeds"),
        ("name: x\ndescription: " + "x" * 3_000_000, "too large"),
    ],
    ids=["aliases of aliases", "an alias of itself", "brackets", "seeds", "bytes"],
)
def test_small_files_that_mean_something_giant_are_refused_at_once(tmp_path, content, words):
    path = tmp_path / "bomb.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=words) as refused:
        load_recipe(path)
    assert len(str(refused.value)) < 2_000
