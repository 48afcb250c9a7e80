"""The stacked trainer against plain Keras, against itself in other chunks, and its promises."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from plain_keras import fit, pixels
from small_networks import colour_dataset, condition_of

from filtertwins.architectures import Architecture
from filtertwins.errors import StudyError
from filtertwins.names import SPLITS
from filtertwins.training import DivergedError, convolutional, plain_model, train_chunks
from filtertwins.training.loop import SEGMENT_STEPS, compiled_loop, segment_ends
from filtertwins.training.networks import build_stack, initial_parameters
from filtertwins.training.streams import batches, epoch_order, snapshot_steps, total_steps

IMAGE, CLASSES = (28, 28, 1), 10
SOURCE = Path(__file__).parents[2] / "src"
GOLDEN_ORDER = [3, 11, 9, 1, 8, 0, 2, 10, 5, 4, 6, 7]
GOLDEN_KERNEL = [0.2402829, -0.1301422, -0.1399161]


def architecture(**changes):
    base = {"kernel": (3, 1), "activation": "linear", "learning_rate": 1e-3, "batch": 48, "steps": 20, "filters": (4,)}
    return Architecture.model_validate(base | changes)


def train(dataset, setting, filters, seeds, steps=(0, 20), also_scored=()):
    condition = condition_of(setting, filters, seeds, also_scored=also_scored)
    return train_chunks(dataset, [condition], steps, report=lambda line: None)[0]


# Values of training.convolutional: BAND_ENTRIES (all maps at once, or many bands), BLOCK_IMAGES and KEPT_BLOCK_IMAGES
# (the whole batch, or parts of it), FEW_TAPS and FEW_FILTERS (maps are whole, or cut into slices).
ONE_BAND, BANDS = 2**30, 10_000
WHOLE_BATCH, BLOCKS = 48, 20
WHOLE, SLICES = 1000, 0


@pytest.mark.parametrize(
    ("changes", "band_entries", "block_images", "few"),
    [
        ({"activation": "linear", "kernel": (5, 2), "optimizer": "sgd", "momentum": 0.9}, ONE_BAND, WHOLE_BATCH, WHOLE),
        ({"activation": "relu"}, BANDS, BLOCKS, WHOLE),
        ({"activation": "relu"}, ONE_BAND, WHOLE_BATCH, WHOLE),
        ({"activation": "relu", "kernel": (5, 5), "optimizer": "adamw", "weight_decay": 0.1}, BANDS, BLOCKS, SLICES),
        ({"activation": "relu", "kernel": (5, 5)}, BANDS, WHOLE_BATCH, WHOLE),
        ({"activation": "tanh", "kernel": (3, 3), "initializer": "he_normal"}, ONE_BAND, BLOCKS, WHOLE),
        ({"activation": "tanh", "kernel": (3, 2), "initializer": "he_normal"}, BANDS, WHOLE_BATCH, SLICES),
        ({"activation": "tanh", "kernel": (6, 6)}, ONE_BAND, WHOLE_BATCH, SLICES),  # 529 positions: no slice has two
    ],
)
def test_a_stack_trains_as_plain_keras_models_with_the_same_seeds_and_batches(
    digits, changes, band_entries, block_images, few, monkeypatch
):
    chosen = {"BAND_ENTRIES": band_entries, "BLOCK_IMAGES": block_images, "KEPT_BLOCK_IMAGES": block_images}
    for name, value in (chosen | {"FEW_TAPS": few, "FEW_FILTERS": few}).items():
        monkeypatch.setattr(convolutional, name, value)
    setting, filters, seeds = architecture(**changes), 3, [5, 2]
    chunk = train(digits, setting, filters, seeds)
    assert np.abs(chunk.snapshot_kernels[-1] - chunk.snapshot_kernels[0]).max() > 1e-3  # far above the tolerance
    for index, seed in enumerate(seeds):
        model = fit(plain_model(setting, filters, seed, IMAGE, CLASSES), digits, setting, seed, 20)
        kernel, bias, head, head_bias = model.get_weights()
        np.testing.assert_allclose(chunk.parameters.kernels[index], kernel, atol=2e-5)
        np.testing.assert_allclose(chunk.parameters.biases[index], bias, atol=2e-5)
        np.testing.assert_allclose(chunk.parameters.head[index], head, atol=2e-5)
        np.testing.assert_allclose(chunk.parameters.head_bias[index], head_bias, atol=2e-5)
        for split, name in enumerate(SPLITS):
            images, labels = getattr(digits, f"{name}_images"), getattr(digits, f"{name}_labels")
            loss, accuracy = model.evaluate(pixels(images), labels, batch_size=500, verbose=0)
            assert chunk.scores.losses[split, index] == pytest.approx(loss, abs=1e-4)
            assert chunk.scores.correct[split, index] / len(labels) == pytest.approx(accuracy, abs=1.5 / len(labels))


@pytest.mark.parametrize(
    ("changes", "few"),
    [
        ({"activation": "linear"}, WHOLE),
        ({"activation": "linear", "kernel": (2, 3), "optimizer": "sgd", "momentum": 0.9}, WHOLE),
        ({"activation": "relu", "kernel": (3, 3)}, WHOLE),
        ({"activation": "tanh", "kernel": (3, 3)}, SLICES),
        ({"activation": "relu", "implementation": "keras"}, WHOLE),
    ],
)
def test_on_colour_images_of_other_classes_too_a_stack_trains_as_plain_keras_models(changes, few, monkeypatch):
    for name in ("FEW_TAPS", "FEW_FILTERS"):
        monkeypatch.setattr(convolutional, name, few)
    dataset, setting = colour_dataset(), architecture(**changes)
    chunk = train(dataset, setting, 3, [5, 2])
    assert chunk.parameters.kernels.shape == (2, *setting.kernel, 3, 3)
    for index, seed in enumerate([5, 2]):
        model = fit(plain_model(setting, 3, seed, (9, 8, 3), 7), dataset, setting, seed, 20)
        own = [part[index] for part in vars(chunk.parameters).values()]
        for found, expected in zip(own, model.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-5)
        loss, _ = model.evaluate(pixels(dataset.test_images), dataset.test_labels, verbose=0)
        assert chunk.scores.losses[2, index] == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_networks_are_scored_on_the_way_and_on_the_first_training_images_alone(digits, activation):
    setting = architecture(activation=activation)
    whole = train(digits, setting, 3, [5, 2], also_scored=[7])
    assert whole.scored_steps.tolist() == [7, 20]
    part = train(digits, setting.model_copy(update={"scored_training_images": 150}), 3, [5, 2], (0, 7))
    assert part.images.tolist() == [150, *whole.images[1:]]
    for name in ("losses", "correct"):
        early, shorter = getattr(whole.scores_at(7), name), getattr(part.scores, name)
        np.testing.assert_array_equal(early[1:], shorter[1:])
        assert (early[0] != shorter[0]).all()
    model = fit(plain_model(setting, 3, 5, IMAGE, CLASSES), digits, setting, 5, 7)
    loss, accuracy = model.evaluate(pixels(digits.train_images[:150]), digits.train_labels[:150], verbose=0)
    assert part.scores.losses[0, 0] == pytest.approx(loss, abs=1e-4)
    assert part.scores.correct[0, 0] / 150 == pytest.approx(accuracy, abs=1.5 / 150)
    with pytest.raises(ValueError, match="8"):
        whole.scores_at(8)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("kernel", [(1, 3), (4, 5)])
def test_a_stack_computes_the_layered_networks_logits(digits, activation, kernel):
    setting, seeds = architecture(activation=activation, kernel=kernel), [0, 1, 2]
    images = digits.test_images[:50]
    initial = initial_parameters(setting, 6, seeds, IMAGE, CLASSES)
    stack = build_stack(setting, initial, seeds, IMAGE)
    for name, value in vars(initial).items():
        np.testing.assert_array_equal(getattr(stack.parameters(), name), value)
    logits = stack.logits(images.reshape(50, -1)).numpy()
    for index, seed in enumerate(seeds):
        expected = plain_model(setting, 6, seed, IMAGE, CLASSES).predict(pixels(images), verbose=0)
        np.testing.assert_allclose(logits[index], expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_seed_trains_alike_alone_and_in_a_chunk_of_five(digits, activation):
    setting = architecture(activation=activation)
    together = train(digits, setting, 4, [0, 1, 2, 3, 4])
    alone = train(digits, setting, 4, [3])
    np.testing.assert_allclose(alone.parameters.kernels[0], together.parameters.kernels[3], atol=2e-6)
    np.testing.assert_allclose(alone.parameters.head[0], together.parameters.head[3], atol=2e-6)
    np.testing.assert_array_equal(alone.snapshot_kernels[0, 0], together.snapshot_kernels[0, 3])


def test_snapshots_start_with_the_initial_kernels_and_end_with_the_trained_ones(digits):
    setting = architecture(activation="relu")
    chunk = train(digits, setting, 4, [0, 1], steps=(0, 1, 7, 20))
    assert chunk.snapshot_steps.tolist() == [0, 1, 7, 20]
    initial = initial_parameters(setting, 4, [0, 1], IMAGE, CLASSES)
    np.testing.assert_array_equal(chunk.snapshot_kernels[0], initial.kernels)
    np.testing.assert_array_equal(chunk.snapshot_kernels[-1], chunk.parameters.kernels)
    np.testing.assert_array_equal(chunk.snapshot_biases[-1], chunk.parameters.biases)
    shorter = train(digits, setting, 4, [0, 1], steps=(0, 7))
    np.testing.assert_allclose(shorter.parameters.kernels, chunk.snapshot_kernels[2], atol=1e-6)


def test_linear_conditions_trained_side_by_side_are_those_trained_alone(digits):
    setting = architecture(optimizer="sgd", learning_rate=0.03, momentum=0.9)
    wider = setting.model_copy(update={"kernel": (5, 4), "initializer": "he_normal"})
    conditions = [
        condition_of(own, filters, [3, 1], also_scored=[7]) | {"starts": [{}, {"scale": 0.1}]}
        for own, filters in ((setting, 4), (setting, 1), (wider, 6))
    ]
    together = train_chunks(digits, conditions, (0, 5, 20), report=lambda line: None)
    for condition, found in zip(conditions, together, strict=True):
        [alone] = train_chunks(digits, [condition], (0, 5, 20), report=lambda line: None)
        assert found.condition == alone.condition
        for name, values in (vars(found) | vars(found.parameters)).items():
            if isinstance(values, np.ndarray):
                expected = (vars(alone) | vars(alone.parameters))[name]
                np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_divergence_names_the_seed_and_the_step(digits):
    setting = architecture(activation="relu", optimizer="sgd", learning_rate=1e20)
    with pytest.raises(DivergedError, match=r"seed 8, step \d+: loss is (nan|inf)"):
        train(digits, setting, 4, [8])


def test_progress_lines_name_the_condition_the_step_and_the_loss(digits):
    lines = []
    steps = (0, SEGMENT_STEPS + 5)
    condition = condition_of(architecture(), 2, [0, 1], architecture="question")
    train_chunks(digits, [condition], steps, report=lines.append)
    assert len(lines) == 2
    assert lines[0].startswith(f"question filters=2 seeds 0-1 step {SEGMENT_STEPS}/{steps[-1]} loss ")
    assert lines[1].endswith("eta 0s")


TRAIN_AND_SAVE = """
import pathlib, sys
from filtertwins import training
from filtertwins.data import datasets
from filtertwins.networks.weights import save_chunk
training.one_thread()
for activation in ("linear", "relu"):
    model = {"kernel": [3, 3], "activation": activation, "learning_rate": 1e-3, "batch": 100, "steps": 30}
    condition = {"model": model, "filters": 5, "seeds": [0, 1, 2], "starts": [{}], "also_scored": []}
    [chunk] = training.train_chunks(datasets.load_digits(), [condition], (0, 30))
    save_chunk(chunk, pathlib.Path(sys.argv[1]) / f"{activation}.npz")
"""


def test_the_same_chunk_gives_the_same_bytes_whatever_the_machine_offers(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    written = []
    for name, changes in {"a": {"OMP_NUM_THREADS": "1"}, "b": {"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "7"}}.items():
        folder = tmp_path / name
        folder.mkdir()
        command = [sys.executable, "-c", TRAIN_AND_SAVE, str(folder)]
        subprocess.run(command, check=True, capture_output=True, env=environment | changes)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(written[0]) == 2
    assert written[0] == written[1]


def test_every_epoch_shows_every_image_once_and_drops_the_incomplete_batch():
    stream = batches(seed=3, images=10, batch=4)
    first, second, third = (next(stream) for _ in range(3))
    assert len({*first, *second}) == 8
    np.testing.assert_array_equal(np.concatenate([first, second]), epoch_order(3, 0, 10)[:8])
    np.testing.assert_array_equal(third, epoch_order(3, 1, 10)[:4])
    assert sorted(epoch_order(3, 1, 10)) == list(range(10))
    assert not np.array_equal(epoch_order(3, 0, 100), epoch_order(3, 1, 100))
    assert not np.array_equal(epoch_order(3, 0, 100), epoch_order(4, 0, 100))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 1258}, "batch = 1258 is more than the 1,257 training images"),
        ({"kernel": (20, 28)}, r"kernel = \[20, 28\] is larger than the images, which have 448 pixels"),
    ],
)
def test_what_does_not_fit_the_images_is_refused_in_a_line_before_anything_is_trained(digits, changes, message):
    wide = {f"{split}_images": getattr(digits, f"{split}_images")[:, :16] for split in SPLITS}  # 16x28 pixels
    with pytest.raises(StudyError, match=f"filters=4: {message}$"):
        train(dataclasses.replace(digits, **wide), architecture(**changes), 4, [0])


def test_the_numbers_a_seed_fixes_never_change():
    """Golden values: another generator or key would silently change every result."""
    assert epoch_order(7, 2, 12).tolist() == GOLDEN_ORDER
    kernels = initial_parameters(architecture(), 2, [7], IMAGE, CLASSES).kernels
    np.testing.assert_allclose(kernels[0, :, 0, 0, 0], GOLDEN_KERNEL, atol=1e-6)


@pytest.mark.parametrize(("steps", "count"), [(2000, 12), (1, 12), (5, 12), (100, 3), (2, 2)])
def test_snapshot_steps_are_increasing_from_zero_to_the_last(steps, count):
    taken = snapshot_steps(steps, count)
    assert taken[0] == 0
    assert taken[-1] == steps
    assert list(taken) == sorted(set(taken))
    assert len(taken) <= count + 1


def test_steps_are_given_or_follow_from_epochs_and_segments_end_at_snapshots_and_reports():
    assert total_steps(None, 2, images=1000, batch=300) == 6
    assert total_steps(17, None, images=1000, batch=300) == 17
    with pytest.raises(ValueError, match="either steps or epochs"):
        total_steps(None, None, 1000, 300)
    assert segment_ends(250, (0, 1, 30, 250)) == [1, 30, SEGMENT_STEPS, 2 * SEGMENT_STEPS, 250]


@pytest.mark.parametrize(
    ("kernel", "filters", "bands", "slices"),
    [((5, 5), 2, 1, 1), ((5, 5), 32, 8, 6), ((3, 1), 1, 1, 1), ((3, 1), 16, 13, 1), ((3, 1), 1000, 728, 1)],
)
def test_few_filters_have_one_band_and_more_have_bands_that_fit_the_cache(kernel, filters, bands, slices):
    setting, seeds = architecture(activation="relu", kernel=kernel), [0]
    stack = build_stack(setting, initial_parameters(setting, filters, seeds, IMAGE, CLASSES), seeds, IMAGE)
    assert stack._seen.shape[:2] == (bands, slices)


def test_the_loop_is_compiled_once_whatever_the_number_of_steps(digits):
    setting, seeds = architecture(), [0, 1]
    stack = build_stack(setting, initial_parameters(setting, 4, seeds, IMAGE, CLASSES), seeds, IMAGE)
    run_steps = compiled_loop(stack, keras.optimizers.Adam(), digits.train_images)
    indices = labels = tf.zeros((SEGMENT_STEPS, 2, setting.batch), tf.int32)
    for first, stop in ((0, 1), (1, 3), (3, 6)):
        run_steps(indices, labels, tf.constant(first), tf.constant(stop))
    assert run_steps.experimental_get_tracing_count() == 1
