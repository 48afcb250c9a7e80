"""The figures of the experiments on what starts alike: twins, condensation, one filter fewer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

pytest.register_assert_rewrite("figure_checks")

import figure_checks  # noqa: E402
from figure_checks import check_caption, drawn  # noqa: E402

from filtertwins.figures import one_fewer as one_fewer_figure  # noqa: E402
from filtertwins.figures.output import main, save  # noqa: E402
from filtertwins.figures.style import NULL_BAND_COLOR, NULL_COLOR, TIMES  # noqa: E402
from filtertwins.figures.tables import TableError  # noqa: E402
from filtertwins.files import read_csv, write_csv  # noqa: E402

FIGURES = {"twins": 6.75, "condensation": 6.75, "one_fewer": 6.75}  # and their widths in inches
STEPS = (0, 1, 3, 10, 30, 100)
TRAININGS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "decay": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.5},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
    "dropout": {"optimizer": "adam", "learning_rate": 0.001, "dropout": 0.5},
}


def study(activations=("linear", "relu", "tanh"), seeds=3, epsilons=(1e-7, 1e-3), scales=(1.0, 1e-2, 1e-4)):
    """The three tables of a small study, with numbers like measured ones."""
    return {
        "twins": twins(activations, seeds, epsilons),
        "condensation": condensation(activations, seeds, scales),
        "one_fewer": one_fewer(activations, seeds),
    }


def twins(activations=("linear", "relu"), seeds=3, epsilons=(1e-7, 1e-3), trainings=tuple(TRAININGS)):
    rng = np.random.default_rng(0)
    rows = []
    for activation in activations:
        for training in trainings:
            settings = {"momentum": 0.0, "weight_decay": 0.0, "dropout": 0.0} | TRAININGS[training]
            for second, epsilon in [("twin", 0.0), ("half_twin", 0.0), *(("twin", e) for e in epsilons)]:
                for seed in range(seeds):
                    network = {"dataset": "mnist", "architecture": f"{activation}_{training}", "activation": activation}
                    network |= settings | {"filters": 8, "seed": seed, "second_filter": second, "epsilon": epsilon}
                    growth = np.exp(rng.uniform(0.05, 0.06) * np.log1p(STEPS))
                    moved = np.array(STEPS) > 0
                    parted = 2e-3 * growth * moved if second == "half_twin" or training == "dropout" else 0 * growth
                    separation = 2 * epsilon * growth + parted
                    outgoing = separation + (second == "half_twin")
                    bounded = activation == "linear" and training in ("sgd", "decay")
                    bound = np.hypot(separation[0], outgoing[0]) * np.exp(0.1 * np.array(STEPS))
                    for place, step in enumerate(STEPS):
                        rows.append(
                            network
                            | {
                                "step": step,
                                "separation": separation[place],
                                "outgoing_separation": outgoing[place],
                                "equal": separation[place] == outgoing[place] == 0,
                                "cosine": 0.99,
                                "bound": bound[place] if bounded else np.nan,
                            }
                        )
    return pd.DataFrame(rows)


def condensation(activations=("linear", "relu", "tanh"), seeds=3, scales=(1.0, 1e-2, 1e-4), steps=STEPS):
    rng = np.random.default_rng(0)
    rows = []
    for activation in activations:
        for seed in range(seeds):
            for scale in scales:
                for step in steps:
                    risen = (1 - scale**0.3) * step / (step + 10)
                    rows.append(
                        {
                            "dataset": "mnist",
                            "architecture": activation,
                            "activation": activation,
                            "filters": 16,
                            "seed": seed,
                            "scale": scale,
                            "step": step,
                            "mean_cosine": 0.16 + 0.8 * risen + rng.normal(0, 0.01),
                            "isotropic_mean_cosine": 0.1610,
                            "mean_nearest_cosine": 0.5,
                            "live_filters": 16,
                            "train_loss": 0.3 if step == steps[-1] else np.nan,
                        }
                    )
    return pd.DataFrame(rows)


def one_fewer(activations=("linear", "relu"), seeds=3, counts=(2, 4, 8)):
    rng = np.random.default_rng(0)
    rows = []
    for activation in activations:
        for filters in counts:
            for seed in range(seeds):
                smaller = 0.3 + rng.normal(0, 0.02)
                for second, change in (("own", -0.1 / filters), ("twin", -0.002), ("silent", 0.0)):
                    rows.append(
                        {
                            "dataset": "mnist",
                            "architecture": f"{activation}_3x1",
                            "activation": activation,
                            "filters": filters,
                            "seed": seed,
                            "second_filter": second,
                            "train_loss": smaller + change + (rng.normal(0, 0.002) if change else 0),
                            "test_loss": smaller,
                            "test_accuracy": 0.92,
                            "twins_equal": True if second == "twin" else None,
                        }
                    )
    return pd.DataFrame(rows)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure):
    return [axes.get_title(loc="left").split("  ")[-1] for axes in figure.axes if axes.get_title(loc="left")]


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").endswith(title))


def strip(axes):
    """Where the strip for distances of exactly 0 lies: bottom and top, in data."""
    (patch,) = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(NULL_BAND_COLOR)]
    return tuple(sorted({y for _, y in patch.get_path().transformed(patch.get_patch_transform()).vertices}))


@pytest.fixture(scope="module")
def small():
    return study()


# What every figure promises


@pytest.mark.parametrize(("name", "width_in"), FIGURES.items())
def test_files_have_the_printed_size_and_truetype_fonts(small, tmp_path, name, width_in):
    figure_checks.check_files(name, small, width_in, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(small, name):
    figure_checks.check_nothing_is_clipped(name, small)


def test_drawing_in_another_process_gives_the_same_bytes(tmp_path):
    figure_checks.check_bytes_are_stable("test_experiment_figures", FIGURES, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_no_table_and_no_setting(small, name):
    figure_checks.check_pure(name, small)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_an_empty_table_and_two_datasets_are_named(small, name):
    figure_checks.check_bad_tables_are_named(name, small)


@pytest.mark.parametrize("name", FIGURES)
def test_help_names_the_tables_and_options(name, capsys):
    assert ("--margin" in figure_checks.check_help(name, capsys)) == (name == "one_fewer")


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_a_reader_needs(small, name):
    check_caption(drawn(name, small)[1], "linear", "ReLU", "tanh", "3 seeds", "interval")


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "shape",
    [
        {"activations": ("relu",), "seeds": 1, "epsilons": (), "scales": (1.0,)},
        {"activations": ("linear", "relu"), "seeds": 2, "epsilons": (0.02,)},
        {"activations": ("linear", *"abcdefghi"), "epsilons": tuple(10.0**-i for i in range(1, 8))},
    ],
    ids=["one-of-each", "two-of-each", "ten-activations"],
)
def test_studies_of_any_shape_can_be_drawn(name, shape):
    tables = study(**shape)
    figure_checks.check_nothing_is_clipped(name, tables)
    figure, caption = drawn(name, tables)
    alone = name == "one_fewer" and len(shape["activations"]) == 1
    assert figure.get_size_inches()[0] == (3.25 if alone else FIGURES[name])
    assert ("no interval" in caption) == (shape.get("seeds") == 1 or name == "twins")
    check_caption(caption)


@pytest.mark.parametrize("name", FIGURES)
def test_a_table_read_from_its_file_gives_the_same_figure(small, tmp_path, name):
    write_csv(small[name], tmp_path / f"{name}.csv")
    direct = save(*drawn(name, small), tmp_path / "direct")
    read = save(*drawn(name, {name: read_csv(tmp_path / f"{name}.csv")}), tmp_path / "read")
    assert [path.read_bytes() for path in direct] == [path.read_bytes() for path in read]


# Twins


def test_twins_that_stay_equal_are_in_the_strip_of_zeros_and_others_leave_it(small):
    figure, _ = drawn("twins", small)
    assert titles(figure)[:4] == ["linear: twins", "linear: half twins", "linear: near twins", "linear: near twins"]
    axes = panel(figure, "linear: twins")
    bottom, top = strip(axes)
    zeros = [line.get_ydata() for line in axes.lines if (line.get_ydata() < top).any()]
    always = [heights for heights in zeros if np.isfinite(heights).all()]
    assert len(zeros) == 5
    assert len(always) == 4  # all but dropout
    assert all(len(set(heights)) == 1 and bottom < heights[0] < top for heights in always)
    assert len({heights[0] for heights in always}) == 4  # side by side
    apart = [line.get_ydata() for line in axes.lines if (line.get_ydata() > top).any()]
    assert len(apart) == 1
    assert np.isnan(apart[0][0])  # equal before training
    expected = small["twins"].query("architecture == 'linear_dropout' and epsilon == 0 and second_filter == 'twin'")
    np.testing.assert_allclose(apart[0][1:], expected.groupby("step")["separation"].median().iloc[1:])
    labels = dict(zip(axes.get_yticks(), [label.get_text() for label in axes.get_yticklabels()], strict=True))
    assert [text for place, text in labels.items() if place < top] == ["0"]


def test_half_twins_share_the_axes_of_twins(small):
    figure, caption = drawn("twins", small)
    assert panel(figure, "linear: half twins").get_ylim() == panel(figure, "ReLU: twins").get_ylim()
    assert "linear, 15 of 15 networks apart at step 1 (median 0.0021)" in caption


def test_near_twins_are_drawn_with_their_bound_where_it_exists(small):
    figure, caption = drawn("twins", small)
    near = [axes for axes in figure.axes if axes.get_title(loc="left").endswith("near twins")]
    assert [axes.texts[0].get_text() for axes in near[:2]] == ["SGD", "weight decay 0.5"]
    rows = small["twins"].query("architecture == 'linear_sgd' and epsilon == 1e-3").copy()
    rows["distance"] = np.hypot(rows["separation"], rows["outgoing_separation"])
    lines = [line.get_ydata() for line in near[0].lines]
    for column in ("distance", "bound"):
        median = rows.groupby("step")[column].median().to_numpy()
        inside = median < near[0].get_ylim()[1]
        assert any(np.allclose(heights[inside], median[inside]) for heights in lines)
    relu = panel(figure, "ReLU: near twins")
    assert not any(line.get_color() == NULL_COLOR and np.isfinite(line.get_ydata()).any() for line in relu.lines)
    assert [text.get_text() for text in near[0].texts[1:]] == ["$10^{-7}$", "$10^{-3}$", "ε ="]
    assert "growth bound" in legend(figure)
    assert "linear, SGD, " in caption
    assert "(within the bound in 6 of 6 networks)" in caption
    assert "Near twins in the table, not drawn: momentum 0.9, Adam and Adam, dropout 0.5." in caption


def test_near_twins_with_a_bound_come_before_others():
    rows = twins(activations=("linear",), trainings=("adam", "sgd", "decay"))
    rows.loc[rows["optimizer"] == "adam", "weight_decay"] = 0.9
    near = [
        axes for axes in drawn("twins", {"twins": rows})[0].axes if axes.texts and "twins" in axes.get_title(loc="left")
    ]
    assert [axes.texts[0].get_text() for axes in near] == ["SGD", "weight decay 0.5"]


def test_networks_beyond_the_bound_are_counted(small):
    rows = small["twins"].copy()
    rows.loc[rows.eval("architecture == 'linear_sgd' and epsilon == 1e-7 and seed == 1 and step == 3"), "bound"] /= 2
    _, caption = drawn("twins", {"twins": rows})
    assert "within the bound in 5 of 6 networks; the others, with ε = 1e-07, up to " in caption


def test_an_infinite_bound_leaves_the_axes(small):
    rows = small["twins"].copy()
    rows.loc[rows["step"] > 10, "bound"] *= np.inf
    figure, caption = drawn("twins", {"twins": rows})
    axes = panel(figure, "linear: near twins")
    bounds = [line.get_ydata() for line in axes.lines if line.get_color() == NULL_COLOR]
    assert all(np.isfinite(heights).all() and heights[-1] > axes.get_ylim()[1] for heights in bounds)
    check_caption(caption)


def test_without_a_bound_near_twins_are_still_drawn():
    rows = twins().assign(bound=np.nan)
    figure, caption = drawn("twins", {"twins": rows})
    assert "growth bound" not in legend(figure)
    assert "bound" not in caption
    assert titles(figure).count("linear: near twins") == 2


def test_without_near_twins_there_are_two_columns():
    figure, caption = drawn("twins", {"twins": twins(epsilons=())})
    assert titles(figure) == ["linear: twins", "linear: half twins", "ReLU: twins", "ReLU: half twins"]
    assert "Near twins" not in caption


def test_near_twins_that_become_equal_and_those_below_the_axis_are_told_apart():
    rows = twins()
    late = rows.eval("epsilon > 0 and weight_decay > 0 and step > 10")
    for epsilon, factor in ((1e-7, 0.0), (1e-3, 1e-12)):
        rows.loc[late & (rows["epsilon"] == epsilon), ["separation", "outgoing_separation"]] *= factor
    figure, caption = drawn("twins", {"twins": rows})
    axes = next(axes for axes in figure.axes if axes.texts and axes.texts[0].get_text() == "weight decay 0.5")
    _, top = strip(axes)
    in_strip = [line for line in axes.lines if line.get_color() != NULL_COLOR and (line.get_ydata() < top).any()]
    assert len(in_strip) == 2  # the zeros, and a line that is cut off where the strip begins
    cut = next(line for line in in_strip if np.isfinite(line.get_ydata()).all())
    assert cut.clipbox.y0 == pytest.approx(axes.transData.transform((1, top))[1])
    assert "Lines that leave the axes at the bottom fall to " in caption


def test_an_epsilon_below_the_rounding_of_float32_makes_twins():
    rows = twins(trainings=("sgd",), epsilons=(1e-12,))
    near = rows["epsilon"] > 0
    rows.loc[near, ["separation", "outgoing_separation", "bound"]] = 0.0
    _, caption = drawn("twins", {"twins": rows})
    check_caption(caption)
    assert "linear, SGD, equal from the start; ReLU, SGD, equal from the start." in caption


def test_the_caption_counts_all_twins_that_stayed_equal(small):
    assert "SGD, 9 of 9; " in drawn("twins", small)[1]
    rows = small["twins"].copy()
    changed = rows.eval("architecture == 'relu_sgd' and second_filter == 'twin' and epsilon == 0 and seed == 2")
    rows.loc[changed & (rows["step"] == 30), "equal"] = False
    assert "SGD, 8 of 9 (the first apart at step 30; " in drawn("twins", {"twins": rows})[1]


def test_trainings_with_the_same_optimizer_are_told_apart():
    rows = twins(activations=("linear",), trainings=("sgd",))
    faster = rows.assign(architecture="linear_fast", learning_rate=0.2)
    other = rows.assign(architecture="linear_other_batch")
    assert legend(drawn("twins", {"twins": pd.concat([rows, faster])})[0])[:2] == ["SGD, rate 0.1", "SGD, rate 0.2"]
    assert legend(drawn("twins", {"twins": pd.concat([rows, other])})[0])[:2] == ["linear SGD", "linear other batch"]


def test_the_largest_networks_are_drawn_and_all_are_counted():
    rows = twins(activations=("linear",))
    smaller = rows.assign(filters=2, separation=1.0)
    figure, caption = drawn("twins", {"twins": pd.concat([smaller, rows])})
    assert "in networks of 8 filters" in caption
    assert "SGD, 6 of 6" in caption
    assert not any((line.get_ydata() > 0.1).any() for line in panel(figure, "linear: twins").lines)


def test_networks_without_twins_have_nothing_to_show(small):
    with pytest.raises(TableError, match="no network has second_filter = 'twin' or 'half_twin'"):
        drawn("twins", {"twins": small["twins"].assign(second_filter="own")})


# Condensation


def test_a_cell_is_the_mean_over_seeds_of_one_scale_and_step(small):
    figure, caption = drawn("condensation", small)
    assert titles(figure) == ["linear", "ReLU", "tanh"]
    rows = small["condensation"].query("architecture == 'relu'")
    expected = rows.pivot_table(index="scale", columns="step", values="mean_cosine").sort_index(ascending=False)
    axes = figure.axes[1]
    np.testing.assert_allclose(axes.collections[0].get_array(), expected)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "0.01", "0.0001"]
    labels = {label.get_text() for label in axes.get_xticklabels()}
    assert {"0", "100"} <= labels <= {str(step) for step in STEPS}
    assert f"ReLU, scale 0.0001, {expected.loc[1e-4, 0]:.3f} (" in caption
    assert f"{expected.loc[1e-4, 100]:.3f} (" in caption
    assert "ReLU, 0.300 at scale 1 and 0.300 at scale 0.0001" in caption


def test_the_caption_names_the_step_at_which_filters_are_most_alike():
    rows = condensation()
    rows.loc[rows["step"] == 10, "mean_cosine"] = 0.9875
    caption = drawn("condensation", {"condensation": rows})[1]
    assert caption.count("0.988 (0.988 to 0.988) at step 10 and ") == 6  # two scales of three activations


def test_chance_is_marked_on_the_colour_bar(small):
    bar = drawn("condensation", small)[0].axes[-1]
    assert "chance\n0.16" in [label.get_text() for label in bar.get_yticklabels()]
    assert all(np.allclose(line.get_ydata(), 0.161) for line in bar.lines[:2])


@pytest.mark.parametrize(("activations", "steps", "numbered"), [(3, range(13), False), (1, STEPS, True)])
def test_cells_carry_numbers_only_where_there_is_room(activations, steps, numbered):
    rows = condensation(activations=("linear", "relu", "tanh")[:activations], steps=tuple(steps))
    figure, _ = drawn("condensation", {"condensation": rows})
    texts = figure.axes[0].texts
    assert len(texts) == (3 * len(STEPS) if numbered else 0)
    if numbered:
        figure.draw_without_rendering()
        cell = figure.axes[0].transData.transform([(0, 0), (1, 1)])
        widest = max(text.get_window_extent().width for text in texts)
        assert widest < abs(cell[1] - cell[0])[0]


def test_cells_without_a_cosine_are_grey_and_named():
    rows = condensation()
    dead = rows.eval("activation == 'relu' and scale < 0.001 and step < 3")
    rows.loc[dead | rows.eval("activation == 'relu' and seed == 0 and step == 10"), "mean_cosine"] = np.nan
    figure, caption = drawn("condensation", {"condensation": rows})
    mesh = figure.axes[1].collections[0]
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 2
    assert tuple(mesh.cmap.get_bad()) == to_rgba(NULL_BAND_COLOR)
    assert "Grey cells: fewer than two live filters in every network. 9 of 162 values are missing" in caption
    check_caption(caption)
    with pytest.raises(TableError, match="column 'mean_cosine' is empty everywhere"):
        drawn("condensation", {"condensation": rows.assign(mean_cosine=np.nan)})


def test_several_filter_counts_have_a_panel_each():
    rows = pd.concat([condensation(), condensation().assign(filters=4)])
    figure, caption = drawn("condensation", {"condensation": rows})
    assert titles(figure)[:3] == ["linear, 4 filters", "linear, 16 filters", "ReLU, 4 filters"]
    assert "(4 and 16 filters)" in caption


# One fewer


def points(axes, marker, *, means):
    """x of the means (with error bars) or of the single seeds."""
    lines = [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]
    sizes = {line.get_markersize() for line in lines}
    return np.concatenate(
        [x.get_xdata() for x in lines if x.get_markersize() == (max if means else min)(sizes)]
    ).astype(float)


def test_differences_are_paired_by_seed(small):
    rows = small["one_fewer"]
    figure, caption = drawn("one_fewer", small)
    wide = rows.pivot_table(index=["architecture", "filters", "seed"], columns="second_filter", values="train_loss")
    for marker, kind in (("o", "twin"), ("s", "own")):
        expected = (wide[kind] - wide["silent"]).loc["relu_3x1"]
        axes = panel(figure, f"ReLU 3{TIMES}1")
        np.testing.assert_allclose(sorted(points(axes, marker, means=False)), sorted(expected))
        np.testing.assert_allclose(points(axes, marker, means=True), expected.groupby("filters").mean())
    assert "Twins ended equal to the last bit in 27 of 27 networks." in caption
    without = rows.drop(rows.query("architecture == 'relu_3x1' and seed == 0 and second_filter == 'silent'").index)
    axes = panel(drawn("one_fewer", {"one_fewer": without})[0], f"ReLU 3{TIMES}1")
    assert len(points(axes, "o", means=False)) == 6  # of three filter counts, two seeds each


def test_the_margin_is_a_grey_band_when_given(small, tmp_path):
    def bands(figure):
        return [p for p in figure.axes[0].patches if p.get_facecolor() == to_rgba(NULL_BAND_COLOR)]

    figure, caption = drawn("one_fewer", small)
    assert not bands(figure)
    assert "equivalent" not in [*legend(figure), caption]
    figure, caption = drawn("one_fewer", small, margin=0.005)
    (band,) = bands(figure)
    assert band.get_extents().transformed(figure.axes[0].transData.inverted()).intervalx == pytest.approx([-5e-3, 5e-3])
    assert "under 0.005 nats" in caption
    assert "The interval is inside the band with twins in 9 of 9 and with all different in 0 of 9" in caption
    rows = small["one_fewer"].copy()
    rows.loc[rows.eval("second_filter == 'twin' and filters == 4"), "train_loss"] += 0.02
    assert "with twins in 6 of 9" in drawn("one_fewer", {"one_fewer": rows}, margin=0.005)[1]
    write_csv(small["one_fewer"], tmp_path / "one_fewer.csv")
    arguments = ["--tables", str(tmp_path / "one_fewer.csv"), "--margin", "0.02", "--output", str(tmp_path / "f")]
    main(one_fewer_figure.draw, arguments)
    assert "under 0.02 nats" in (tmp_path / "f.rst").read_text()


def test_twins_that_came_apart_are_counted(small):
    rows = small["one_fewer"].copy()
    rows.loc[rows.query("second_filter == 'twin'").index[0], "twins_equal"] = False
    assert "equal to the last bit in 26 of 27 networks" in drawn("one_fewer", {"one_fewer": rows})[1]


def test_one_contrast_alone_is_drawn_and_none_is_an_error(small):
    rows = small["one_fewer"]
    figure, caption = drawn("one_fewer", {"one_fewer": rows[rows["second_filter"] != "twin"]})
    assert legend(figure) == ["n different filters"]
    assert "twins" not in caption.replace("What a twin", "").lower()
    for kinds in (["own", "twin"], ["silent"]):
        with pytest.raises(TableError, match="has one with 'silent' beside it"):
            drawn("one_fewer", {"one_fewer": rows[rows["second_filter"].isin(kinds)]})
