"""The operations that the benchmark counts; and the table of a study's times."""

from __future__ import annotations

import pytest
from bench.limit import step_flops
from show_times import times

from filtertwins.architectures import Architecture

SEEN = (28, 28, 1), 10  # an image, and the classes
LINEAR = Architecture(
    kernel=(3, 1), activation="linear", learning_rate=1e-4, batch=512, steps=2000, filters=(1, 2, 4, 9)
)
RELU = LINEAR.model_copy(update={"activation": "relu", "kernel": (5, 5), "batch": 128})


def test_operations_are_those_of_the_layers_or_of_effective_weights_and_one_dense_layer():
    images, positions, filters = 128, 24 * 24, 32
    convolution = 2 * images * positions * filters * 25  # A multiplication and an addition count as two.
    dense = 2 * images * positions * filters * 10
    assert step_flops(RELU, filters, *SEEN) == 2 * convolution + 3 * dense
    of_images, of_weights = 2 * 512 * 784 * 10, 2 * 26 * 28 * 16 * 3 * 10
    assert step_flops(LINEAR, 16, *SEEN) == 2 * of_images + 3 * of_weights


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
