"""What the benchmark makes of its measurements, on made-up ones; and the table of a study's times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bench.limit import limits, step_flops, working_bytes
from bench.tables import as_markdown, as_text, compare, rounded
from show_times import times

from filtertwins.architectures import Architecture

SEEN = (28, 28, 1), 10  # an image, and the classes
LINEAR = Architecture(
    kernel=(3, 1), activation="linear", learning_rate=1e-4, batch=512, steps=2000, filters=(1, 2, 4, 9)
)
RELU = LINEAR.model_copy(update={"activation": "relu", "kernel": (5, 5), "batch": 128})


def turn(competitor, number=0, networks=1, steps=100, once_s=1.0, step_s=0.01, accuracy=0.5):
    """A row of turns.csv, for a process with these costs."""
    whole_s = once_s + 2000 * step_s
    return {
        "architecture": "question",
        "filters": 1,
        "round": number,
        "competitor": competitor,
        "networks": networks,
        "steps": steps,
        "step_ms": 1000 * step_s / networks,
        "whole_ms": 1000 * whole_s / networks / 2000,
        "accuracy": accuracy,
    }


def test_operations_are_those_of_the_layers_or_of_effective_weights_and_one_dense_layer():
    images, positions, filters = 128, 24 * 24, 32
    convolution = 2 * images * positions * filters * 25  # A multiplication and an addition count as two.
    dense = 2 * images * positions * filters * 10
    assert step_flops(RELU, filters, *SEEN) == 2 * convolution + 3 * dense
    of_images, of_weights = 2 * 512 * 784 * 10, 2 * 26 * 28 * 16 * 3 * 10
    assert step_flops(LINEAR, 16, *SEEN) == 2 * of_images + 3 * of_weights


def test_the_limit_is_the_larger_of_arithmetic_and_memory():
    conditions = {("question", 16): LINEAR, ("relu_5x5", 16): RELU}
    sizes = {working_bytes(architecture, 16, *SEEN) for architecture in conditions.values()}
    assert working_bytes(LINEAR, 16, *SEEN) == 16 * (16 * 4 + 26 * 28 * 16 * 10 + 10)
    slow_memory = {"operations": 1e15} | {f"copying_{size}": 1e9 for size in sizes}
    slow_arithmetic = {"operations": 1e9} | {f"copying_{size}": 1e15 for size in sizes}
    by_memory, by_arithmetic = (limits(conditions, *SEEN, machine) for machine in (slow_memory, slow_arithmetic))
    assert by_memory["competitor"].tolist() == ["limit", "limit"]
    assert by_memory["step_ms"][0] == pytest.approx(7 * 4 * (16 * 4 + 26 * 28 * 16 * 10 + 10) / 1e6)
    operations = [step_flops(architecture, 16, *SEEN) for architecture in conditions.values()]
    np.testing.assert_allclose(by_arithmetic["step_ms"] * 1e6, operations)


def test_ratios_are_taken_within_rounds():
    """Everybody is ten times slower in one round: the ratio is not."""
    turns = [turn(who, steps=20, accuracy=0.2) for who in ("keras_fit_few_steps", "jax_vmap")] + [
        turn(who, number, networks, step_s=slow * step_s, once_s=slow, accuracy=accuracy)
        for number, (slow, of_project) in enumerate([(1, 0.49), (10, 0.5), (1, 0.5)])
        for who, step_s, networks, accuracy in (("keras_fit", 0.01, 1, 0.5), ("project", 0.02, 40, of_project))
    ]
    limit = limits({("question", 1): LINEAR}, *SEEN, {"operations": 1e11, f"copying_{16 * 7294}": 1e9})
    table = compare(pd.DataFrame(turns), limit).set_index("competitor")
    assert table.index.tolist() == ["keras_fit", "jax_vmap", "project", "limit"]
    own = table.loc["project"]
    assert [own["step_ratio_least"], own["step_ratio"], own["step_ratio_most"]] == pytest.approx([20, 20, 20])
    assert [own["step_ms_least"], own["step_ms"], own["step_ms_most"]] == pytest.approx([0.5, 0.5, 5])
    assert own["whole_ratio"] == pytest.approx((1 + 20) / ((1 + 40) / 40))
    assert table.loc["limit", "step_ratio"] == pytest.approx(10 / table.loc["limit", "step_ms"])
    assert own["accuracy"] == pytest.approx((0.49 + 2 * 0.5) / 3)
    assert own["accuracy_difference"] == pytest.approx(0.01)  # to the network that Keras trained in the same round
    assert table.loc["jax_vmap", ["accuracy", "accuracy_difference"]].tolist() == [0.2, 0]  # after as many steps
    assert table.loc["keras_fit", "accuracy"] == 0.5
    printed = as_text(table.reset_index()).splitlines()
    assert "0.5 (0.5-5)" in printed[3]
    assert not any(word in line for line in printed for word in ("nan", "NaN", "keras_fit"))
    ratios, _, steps = as_markdown(table.reset_index()).splitlines()
    assert ratios == "| `question`, 1 | 20 (20 to 20) | 20 | - |"  # No naive pipeline took part.
    assert steps.startswith("| `question`, 1 | 10 | - | - | 10 | 0.5 | ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.0123"), (9.994, "9.99"), (123.4, "123"), (12345.6, "12300"), (0, "0"), (np.nan, "")],
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
    assert table["percent"].tolist() == pytest.approx([200 / 3, 25, 25 / 3, 100])
