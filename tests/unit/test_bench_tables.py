"""What the benchmark makes of its measurements, on made-up ones; and the table of a study's times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bench.limit import limits, step_flops, working_bytes
from bench.tables import as_text, compare, estimate_grid, rounded
from show_times import times

from filtertwins.settings import Architecture

IMAGE = (28, 28)
LINEAR = Architecture(
    kernel=(3, 1), activation="linear", learning_rate=1e-4, batch=512, steps=2000, filters=(1, 2, 4, 9)
)
LONGER = LINEAR.model_copy(update={"learning_rate": 1e-3, "steps": 10_000, "filters": (2,)})
RELU = LINEAR.model_copy(update={"activation": "relu", "kernel": (5, 5), "batch": 128})


def turn(competitor, filters=1, number=0, networks=1, steps=100, once_s=1.0, step_s=0.01, feed="", name="question"):
    """A row of turns.csv, for a process with these costs."""
    wall_s, whole_s = once_s + steps * step_s, once_s + 2000 * step_s
    return {
        "architecture": name,
        "filters": filters,
        "round": number,
        "competitor": competitor,
        "feed": feed,
        "networks": networks,
        "steps": steps,
        "wall_s": wall_s,
        "step_ms": 1000 * step_s / networks,
        "whole_ms": 1000 * whole_s / networks / 2000,
    }


def accuracy(competitor, seed, value, steps=100):
    names = {"architecture": "question", "filters": 1, "competitor": competitor, "steps": steps}
    return names | {"seed": seed, "accuracy": value}


def test_operations_are_those_of_the_layers_or_of_effective_weights_and_one_dense_layer():
    images, positions, filters = 128, 24 * 24, 32
    convolution = 2 * images * positions * filters * 25  # A multiplication and an addition count as two.
    dense = 2 * images * positions * filters * 10
    assert step_flops(RELU, filters, IMAGE, collapsed=False) == 2 * convolution + 3 * dense
    of_images, of_weights = 2 * 512 * 784 * 10, 2 * 26 * 28 * 16 * 3 * 10
    assert step_flops(LINEAR, 16, IMAGE, collapsed=True) == 2 * of_images + 3 * of_weights


def test_the_limit_is_the_larger_of_arithmetic_and_memory():
    conditions = {("question", 16): LINEAR, ("relu_5x5", 16): RELU}
    sizes = {working_bytes(architecture, 16, IMAGE) for architecture in conditions.values()}
    assert working_bytes(LINEAR, 16, IMAGE) == 16 * (16 * 4 + 26 * 28 * 16 * 10 + 10)
    slow_memory = {"operations": 1e15} | {f"copying_{size}": 1e9 for size in sizes}
    slow_arithmetic = {"operations": 1e9} | {f"copying_{size}": 1e15 for size in sizes}
    by_memory, by_arithmetic = (limits(conditions, IMAGE, machine) for machine in (slow_memory, slow_arithmetic))
    assert by_memory["competitor"].tolist() == ["limit", "limit_layered", "limit"]
    np.testing.assert_allclose(by_memory["step_ms"], by_memory["memory_ms"])
    assert by_memory["step_ms"][0] == pytest.approx(7 * 4 * (16 * 4 + 26 * 28 * 16 * 10 + 10) / 1e6)
    np.testing.assert_allclose(by_arithmetic["step_ms"], by_arithmetic["mflop"])
    assert (by_arithmetic["mflop"] * 1e6).tolist() == [
        step_flops(LINEAR, 16, IMAGE, collapsed=True),
        step_flops(LINEAR, 16, IMAGE, collapsed=False),
        step_flops(RELU, 16, IMAGE, collapsed=False),
    ]


def test_ratios_are_taken_within_rounds():
    """Everybody is ten times slower in one round: the ratio is not."""
    turns = [turn("jax", steps=20)] + [
        turn(who, number=number, step_s=slow * step_s, once_s=slow, networks=networks)
        for number, slow in enumerate([1, 10, 1])
        for who, step_s, networks in (("keras", 0.01, 1), ("project", 0.02, 40))
    ]
    accuracies = [accuracy("keras", 0, 0.5), accuracy("project", 0, 0.49), accuracy("project", 1, 0.9)]
    accuracies += [accuracy(who, 0, 0.2, steps=20) for who in ("keras", "jax")]
    limit = limits({("question", 1): LINEAR}, IMAGE, {"operations": 1e11, f"copying_{16 * 7294}": 1e9})
    table = compare(pd.DataFrame(turns), pd.DataFrame(accuracies), limit).set_index("competitor")
    assert table.index.tolist() == ["keras", "jax", "project", "limit", "limit_layered"]
    own = table.loc["project"]
    assert [own["step_ratio_least"], own["step_ratio"], own["step_ratio_most"]] == pytest.approx([20, 20, 20])
    assert [own["step_ms_least"], own["step_ms"], own["step_ms_most"]] == pytest.approx([0.5, 0.5, 5])
    assert own["whole_ratio"] == pytest.approx((1 + 20) / ((1 + 40) / 40))
    assert table.loc["limit", "step_ratio"] == pytest.approx(10 / table.loc["limit", "step_ms"])
    assert own["accuracy"] == 0.49  # of the seed that Keras trained too
    assert own["accuracy_difference"] == pytest.approx(0.01)
    assert table.loc["jax", ["accuracy", "accuracy_difference"]].tolist() == [0.2, 0]  # after as many steps as Keras
    assert table.loc["keras", "accuracy"] == 0.5
    assert "0.50 (0.50-5.00)" in as_text(table.reset_index()).replace("0.500", "0.50")


def test_the_grid_adds_up_processes_over_cores():
    turns = [
        turn(who, filters, once_s=once_s, step_s=step_s * filters, networks=networks)
        for filters in (1, 4)
        for who, once_s, step_s, networks in (("keras", 1, 0.1, 1), ("naive", 8, 0.3, 4), ("project", 10, 0.2, 40))
    ]
    turns.append(turn("naive_alone", 1, once_s=6, step_s=0.1))
    studied = {"question": LINEAR, "longer": LONGER, "relu": RELU}
    table = estimate_grid(pd.DataFrame(turns), studied, [(0, 10), (10, 10)], 4)
    # Measured at 1 and 4 filters: 2 lies between, 9 does not; and nothing like the relu was measured.
    assert list(zip(table["architecture"], table["filters"], strict=True)) == [
        ("question", 1),
        ("question", 2),
        ("question", 4),
        ("longer", 2),
    ]
    assert (table["networks"] == 20).all()
    between, longer = table.loc[1], table.loc[3]
    assert between["project_s"] == pytest.approx(2 * (10 + 2000 * 0.4) / 4)
    assert between["naive_s"] == pytest.approx(20 * (8 + 2000 * 0.6) / 4)
    assert between["naive_alone_s"] == pytest.approx(20 * (5 + 1 + 2000 * 0.2))
    assert longer["project_s"] == pytest.approx(2 * (10 + 10_000 * 0.4) / 4)
    assert between["ratio"] == pytest.approx(min(between["naive_s"], between["naive_alone_s"]) / between["project_s"])


@pytest.mark.parametrize(
    ("value", "text"), [(0.012345, "0.0123"), (9.994, "9.99"), (123.4, "123"), (12345.6, "12346"), (0, "0")]
)
def test_numbers_are_rounded_to_significant_digits(value, text):
    assert rounded(value, 3) == text


def test_times_are_summed_by_rule_and_what_it_is_for(tmp_path):
    for path, seconds, cpu in (
        ("train_chunk/question/filters-001.tsv", 10.0, "9.0"),
        ("train_chunk/question/filters-002.tsv", 30.0, "20.0"),
        ("train_chunk/twins/linear/filters-008.tsv", 5.0, "-"),  # too short to be sampled
        ("merge_filters.tsv", 15.0, "15.0"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{seconds * 10}\t{cpu}\n")
    with pytest.raises(SystemExit, match="no benchmark files"):
        times(tmp_path / "merge_filters.tsv")
    table = times(tmp_path).set_index(["rule", "of"])
    assert table.index.tolist() == [
        ("train_chunk", "question"),
        ("merge_filters", ""),
        ("train_chunk", "twins"),
        ("all", ""),
    ]
    assert table.loc[("train_chunk", "question"), ["jobs", "time_s", "cpu_s", "longest_s"]].tolist() == [2, 40, 29, 30]
    assert table.loc[("all", ""), ["jobs", "time_s", "cpu_s", "memory_mb"]].tolist() == [4, 60, 44, 300]
    assert table["share"].tolist() == pytest.approx([200 / 3, 25, 25 / 3, 100])
