"""Charts: valid against Vega-Lite's schema, drawn without a warning, true to the summary, and absent where empty."""

import itertools
import json
import math

import numpy as np
import pytest
import vl_convert
from fake_comparisons import FIXED, MATCHED, SIZES, minimal, rich

from textlstm.analysis.charts.costs import costs, dash_words, pareto_fronts
from textlstm.analysis.charts.curves import learning_curves, training_gap
from textlstm.analysis.charts.gains import gains, scores_by_seed
from textlstm.analysis.charts.quality import baseline_ladder, calibration, search_curves
from textlstm.analysis.charts.theme import chart_config, depth_colors
from textlstm.analysis.orders import depths_in_order

BUILDERS = [
    learning_curves,
    gains,
    scores_by_seed,
    costs,
    pareto_fronts,
    training_gap,
    baseline_ladder,
    calibration,
    search_curves,
]
VARIANTS = {
    "rich": {},
    "one size": {"sizes": {"full": 5452}, "settings": (FIXED,)},
    "one depth": {"depths": (2,), "settings": (FIXED,)},
    "one seed": {"seeds": 1},
    "two seeds": {"seeds": 2, "settings": (MATCHED,)},
    "nothing beside": {"baselines": False, "latency": False},
    "many depths": {"depths": tuple(range(1, 13)), "seeds": 3, "settings": (FIXED,)},
}


@pytest.fixture(scope="module")
def whole():
    return rich()


def figures_of(comparison):
    return [figure for build in BUILDERS for figure in build(comparison)]


def rows_of(figure):
    """Every plotted row of a chart."""
    return [row for rows in figure.spec()["datasets"].values() for row in rows]


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_each_chart_fits_the_schema(whole, build):
    figures = build(whole)
    assert figures
    for figure in figures:
        spec = figure.spec(validate=True)
        assert spec["width"] == "container"
        assert "config" not in spec and "$schema" not in spec


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_drawn_without_a_warning(variant, capfd):
    comparison = rich(**VARIANTS[variant])
    config = chart_config("light", depths=len(depths_in_order(comparison)))
    for figure in figures_of(comparison):
        vector = vl_convert.vegalite_to_svg(figure.print_spec(figure.spec()), config=config, show_warnings=True)
        assert "NaN" not in vector and "undefined" not in vector
        assert vector.count("<path") > 3 and vector.count("aria-label") <= 1  # the title alone
    warned = [line for line in capfd.readouterr().err.splitlines() if "WARN" in line]
    assert warned == []


def test_what_is_absent_is_left_out():
    names = {build.__name__: len(build(minimal())) for build in BUILDERS}
    assert {name for name, number in names.items() if number} == {"scores_by_seed"}
    one_size = rich(**VARIANTS["one size"])
    assert not learning_curves(one_size) and not training_gap(one_size) and gains(one_size)
    one_depth = rich(**VARIANTS["one depth"])
    assert not gains(one_depth) and not pareto_fronts(one_depth) and learning_curves(one_depth)
    bare = rich(**VARIANTS["nothing beside"])
    assert not baseline_ladder(bare)
    assert not any("latency" in figure.name for figure in figures_of(bare))


def test_one_figure_a_setting_and_names_of_their_own(whole):
    names = [figure.name for figure in figures_of(whole)]
    assert len(set(names)) == len(names)
    assert len(learning_curves(whole)) == len(gains(whole)) == len(training_gap(whole)) == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_chart_has_words_and_data_for_those_who_cannot_see_it(variant):
    for figure in figures_of(rich(**VARIANTS[variant])):
        assert figure.alt.endswith(".") and len(figure.alt) > 40
        assert figure.data.rows
        assert {len(row) for row in figure.data.rows} == {len(figure.data.headers)}


def test_curves_plot_the_summary(whole):
    figure = learning_curves(whole)[0]
    plotted = {(row["layers"], row["labels"]): row for row in rows_of(figure) if "layers" in row}
    for curve in whole.curves:
        if curve.setting == FIXED:
            for labels, mean, low, high in zip(curve.labels, curve.mean, curve.low, curve.high, strict=True):
                row = plotted[curve.layers, labels]
                assert [row["mean"], row["low"], row["high"]] == pytest.approx([100 * mean, 100 * low, 100 * high])
    named = {row["name"] for row in rows_of(figure) if "name" in row}
    assert named == {"TF-IDF", "bag of vectors", "one direction"}
    assert "majority (22.6 %)" in figure.caption  # too far below to be drawn


def test_curves_show_their_own_interval_and_seeds_not_those_of_the_cells(whole):
    own = whole.curves[0].model_copy(update={"seeds": 4, "own_low": [0.1] * len(SIZES), "own_high": [0.2] * len(SIZES)})
    figure = learning_curves(whole.model_copy(update={"curves": [own, *whole.curves[1:]]}))[0]
    rows = [row for row in rows_of(figure) if row.get("layers") == 1]
    assert {(row["seeds"], row["interval"]) for row in rows} == {("4", "[10.0, 20.0]")}
    assert "the 4 to 10 seeds that all depths and sizes share" in figure.caption


@pytest.mark.parametrize(
    ("over_texts", "words"), [(True, "and other texts of this kind"), (False, "for these test texts")]
)
def test_captions_say_what_bands_are_over(whole, over_texts, words):
    curves = [curve.model_copy(update={"over_texts": over_texts}) for curve in whole.curves]
    assert all(words in figure.caption for figure in learning_curves(whole.model_copy(update={"curves": curves})))


@pytest.mark.parametrize(("seeds", "marked"), [(3, False), (4, True)])
def test_stars_need_four_seeds(whole, seeds, marked):
    found = [item.model_copy(update={"seeds": seeds, "holm": 0.001}) for item in whole.differences]
    figure = gains(whole.model_copy(update={"differences": found}))[0]
    assert all(row["cell"].endswith("*") == marked for row in rows_of(figure))
    assert ("A star" in figure.caption) == marked


def test_calibration_names_the_error_of_the_table(whole):
    for item in whole.calibration:
        cell = next(c for c in whole.cells if (c.setting, c.layers, c.size) == (FIXED, item.layers, "full"))
        assert f"{100 * cell.ece:.1f}" in calibration(whole)[0].caption
    assert "root-mean-square" in calibration(whole)[0].caption


def test_curves_of_all_settings_share_one_scale(whole):
    domains = {json.dumps(figure.spec()["layer"][-1]["encoding"]["y"]["scale"]) for figure in learning_curves(whole)}
    assert len(domains) == 1
    [domain] = (json.loads(text)["domain"] for text in domains)
    for figure in learning_curves(whole):
        assert all(domain[0] <= row["mean"] <= domain[1] for row in rows_of(figure))


def test_a_wild_band_is_cut_off_rather_than_pressing_the_curves_flat(whole):
    wild = whole.curves[0].model_copy(update={"low": [-0.4] * len(SIZES), "high": [1.6] * len(SIZES)})
    tame = learning_curves(whole)[0].spec()["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    figure = learning_curves(whole.model_copy(update={"curves": [wild, *whole.curves[1:]]}))[0]
    domain = figure.spec()["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert 0 <= domain[0] and domain[1] <= 100
    assert domain[1] - domain[0] < 1.9 * (tame[1] - tame[0])
    assert figure.spec()["layer"][0]["mark"]["clip"] and "cut off" in figure.caption
    assert "cut off" not in learning_curves(whole)[0].caption


def test_names_of_close_lines_keep_apart(whole):
    places = sorted(row["name_at"] for row in rows_of(learning_curves(whole)[0]) if "name_at" in row)
    domain = learning_curves(whole)[0].spec()["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    line = 12 / 340 * (domain[1] - domain[0])
    assert min(np.diff(places)) > line


def test_doublings_take_equal_room(whole):
    scale = learning_curves(whole)[0].spec()["layer"][-1]["encoding"]["x"]["scale"]
    assert scale["type"] == "log" and scale["base"] == 2
    axis = learning_curves(whole)[0].spec()["layer"][-1]["encoding"]["x"]["axis"]
    assert axis["values"] == list(SIZES.values())


def test_gains_are_over_the_shallowest_on_one_symmetric_scale(whole):
    reach = max(abs(100 * item.accuracy.value) for item in whole.differences if item.shallow == 1)
    for figure, setting in zip(gains(whole), (FIXED, MATCHED), strict=True):
        color = figure.spec()["layer"][0]["encoding"]["color"]
        assert color["scale"]["domain"] == pytest.approx([-reach, reach])
        expected = [i for i in whole.differences if i.setting == setting and i.shallow == 1]
        rows = rows_of(figure)
        assert len(rows) == len(expected)
        starred = {(row["layers"], row["size"]) for row in rows if row["cell"].endswith("*")}
        assert starred == {
            (i.deep, "all 5,452" if i.size == "full" else f"{i.size:,}")
            for i in expected
            if i.holm is not None and i.holm < 0.05
        }


def test_every_seed_is_plotted_at_every_size(whole):
    rows = [row for row in rows_of(scores_by_seed(whole)[0]) if "seed" in row]
    assert len(rows) == 4 * len(SIZES) * 10
    choice = scores_by_seed(whole)[0].spec()["params"][0]
    assert choice["value"] == choice["bind"]["options"][-1] == "all 5,452"


def test_fronts_are_marked_as_the_summary_says(whole):
    for figure in pareto_fronts(whole):
        marked = {row["layers"] for row in rows_of(figure) if row["front"] == "yes"}
        setting = FIXED if figure.name.endswith(FIXED) else MATCHED
        assert marked == {cost.layers for cost in whole.costs if cost.setting == setting and cost.on_training_front}


def test_settings_share_cost_panels_with_dashes_explained(whole):
    assert {row["setting"] for row in rows_of(costs(whole)[0])} == {"fixed width", "matched parameters (deepest)"}
    assert dash_words(whole) == "Lines: solid, fixed width; dashed, matched parameters (deepest)."
    assert dash_words(rich(settings=(FIXED,))) == ""


def test_a_figure_that_is_no_number_is_no_error(whole):
    broken = whole.cells[0].model_copy(update={"train_accuracy": math.nan, "ece": math.nan})
    changed = whole.model_copy(update={"cells": [broken, *whole.cells[1:]]})
    assert "–" in training_gap(changed)[0].data.rows[0]


def test_a_depth_has_one_color_and_one_shape_everywhere(whole):
    depths = depths_in_order(whole)
    for figure in figures_of(whole):
        text = json.dumps(figure.spec())
        assert text.count('"field": "layers", "legend"') == text.count(f'"domain": {json.dumps(depths)}')
        assert "#" not in text  # colors come from the theme alone


MACHADO = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Full color deficiency in linear RGB (Machado, Oliveira and Fernandes 2009)."""


def linear(color):
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def cielab(channels):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(channels, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    low, high = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("theme", "page"), [("light", "#ffffff"), ("dark", "#15181c")])
def test_depths_are_told_apart_by_every_kind_of_color_vision(theme, page):
    for number in (2, 3, 4):
        colors = depth_colors(number, theme)
        assert min(contrast(color, page) for color in colors) >= 3
        for matrix in MACHADO.values():
            seen = [cielab(np.array(matrix) @ linear(color)) for color in colors]
            assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15
            lightness = [lab[0] for lab in seen]
            assert lightness == sorted(lightness, reverse=True)
    assert len(set(depth_colors(20, theme))) == 20


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_in_charts_have_contrast(theme):
    config = chart_config(theme, depths=3)
    page = "#15181c" if theme == "dark" else "#ffffff"
    inks = {item["name"]: item["value"] for item in config["params"]}
    assert contrast(inks["ink"], page) > 7 and contrast(inks["muted"], page) > 4.5
    ramp = config["range"]["diverging"]
    assert min(contrast(inks["paper"], color) for color in (ramp[0], ramp[-1])) > 4.5
    assert min(contrast(inks["ink"], color) for color in ramp[1:-1]) > 4.5 or theme == "dark"
