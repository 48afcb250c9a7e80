"""Several files of one architecture: strangers, or one network before and after training."""

from __future__ import annotations

import numpy as np
import pytest
from inspected import convolution, network, random_kernels
from stranger_draws import SIDE, attracting, networks_of

from filtertwins.inspect.report import inspect_models


def two_layers(first, rng, path):
    """A network of two layers, of which the deeper one is listed first."""
    deeper = convolution(random_kernels(rng, 16, 32), name="b")
    return network(deeper, convolution(first.reshape(-1, 1, SIDE, SIDE), name="a"), path=path)


def compared(units, rng, **options):
    return inspect_models([two_layers(own, rng, f"seed{s}") for s, own in enumerate(units)], **options)


def test_independent_networks_have_g_of_one_in_the_layer_that_sees_images(rng):
    report = compared(networks_of("smooth", 6, rng), rng)
    deeper, first = report.strangers
    assert first["low"] < 1 < first["high"]
    assert first["files"] == 6
    assert "no difference" in first["finding"]
    assert "g: how many times as often" in report.to_text()
    assert np.isnan(deeper["g"])
    assert deeper["finding"].startswith("bases differ")
    assert not report.changes


def test_dead_filters_are_no_strangers_to_anybody(rng):
    networks = networks_of("smooth", 4, rng)
    with_dead = [np.concatenate([own, np.full((8, own.shape[1]), 1e-9)]) for own in networks]
    models = [
        [network(convolution(own.reshape(-1, 1, SIDE, SIDE)), path=str(place)) for place, own in enumerate(each)]
        for each in (networks, with_dead)
    ]
    without, beside = (inspect_models(own, draws=39).strangers for own in models)
    assert without == beside


def test_attraction_is_found(rng):
    row = compared([attracting(rng, 8) for _ in range(8)], rng).strangers[1]
    assert row["low"] > 1
    assert "attract" in row["finding"]


def test_two_strangers_have_no_interval(rng):
    row = compared(networks_of("smooth", 2, rng, 64), rng).strangers[1]
    assert row["g"] > 0
    assert np.isnan(row["low"])
    assert row["finding"].startswith("no interval")


def test_one_network_at_two_times_is_no_stranger_but_changed(rng):
    before = networks_of("smooth", 1, rng)[0]
    after = 2 * before + 0.2 * rng.standard_normal(before.shape)
    after[1] = after[0]
    report = compared([before, after], rng)
    deeper, first = report.changes
    assert 0.8 < first["cosine"] < 1
    assert first["norm_ratio"] == pytest.approx(2.2, abs=0.3)
    assert (first["near_pairs_before"], first["near_pairs"]) == (0, 1)
    assert first["redundant_share"] == pytest.approx(1 / 32)
    assert (first["before"], first["file"]) == ("seed0", "seed1")
    assert abs(deeper["cosine"]) < 0.2
    assert not report.strangers
    (other,) = networks_of("smooth", 1, rng)
    assert "not strangers" in compared([other, before, after], rng).strangers[1]["finding"]


def test_the_file_before_can_be_named_and_is_no_stranger_itself(rng):
    report = compared(networks_of("smooth", 4, rng), rng, before="seed2")
    assert [row["file"] for row in report.changes] == ["seed0"] * 2 + ["seed1"] * 2 + ["seed3"] * 2
    assert report.strangers[1]["files"] == 3


def test_other_architectures_are_not_compared(rng):
    models = [network(convolution(random_kernels(rng, filters)), path=str(filters)) for filters in (20, 24)]
    report = inspect_models(models)
    assert not report.strangers
    assert not report.changes
