"""Networks of several layers: this project's stack beside Keras's own ``fit`` of the same model, on one thread each.

    python tools/bench/layers.py data/mnist/dataset-*.npz

It prints, by the number of filters, the time of a step of one network after the first steps, and their ratio, each the
median over rounds in which the two take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import yaml
from work import pixels, processes

from filtertwins.architectures import LayeredArchitecture
from filtertwins.data.datasets import load_dataset

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
WARM, STEPS, SEEDS = 20, 80, (0, 1)


def architecture() -> LayeredArchitecture:
    """The two layers of the default study."""
    plain = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return LayeredArchitecture.model_validate(plain["experiments"]["depth"]["architectures"]["two_layers"])


def stack_s(dataset: Path, filters: int) -> float:
    """Seconds a step and network of the stack, with several networks side by side."""
    from filtertwins import training

    training.one_thread()
    from filtertwins.training.layered import LayeredStack, layered_model
    from filtertwins.training.loop import compiled_loop, run_segments

    import keras  # isort: skip

    data, own = load_dataset(dataset), architecture()
    models = [layered_model(own, filters, seed, data.image_shape, data.classes) for seed in SEEDS]
    stack, optimizer = LayeredStack(models), keras.optimizers.Adam(own.learning_rate)
    run_steps = compiled_loop(stack, optimizer, data.train_images)
    times_s = []
    for steps in (WARM, STEPS):
        start_s = time.perf_counter()
        run_segments(stack, run_steps, data, own, SEEDS, steps, [], "bench", report=lambda line: None)
        times_s.append(time.perf_counter() - start_s)
    return times_s[-1] / STEPS / len(SEEDS)


def keras_s(dataset: Path, filters: int) -> float:
    """Seconds a step of ``fit`` on one thread, otherwise as it is, on scaled images in the order of the file."""
    from filtertwins.training.layered import layered_model

    import keras  # isort: skip
    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    data, own = load_dataset(dataset), architecture()
    model = layered_model(own, filters, SEEDS[0], data.image_shape, data.classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(own.learning_rate), loss)
    images, labels = pixels(data.train_images[: STEPS * own.batch]), data.train_labels[: STEPS * own.batch]
    for steps in (WARM, STEPS):
        start_s = time.perf_counter()
        shown = steps * own.batch
        model.fit(images[:shown], labels[:shown].astype(np.int32), own.batch, shuffle=False, verbose=0)
        elapsed_s = time.perf_counter() - start_s
    return elapsed_s / STEPS


def main() -> None:
    """Measure, and print a row for each number of filters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path, help="the workflow's own file of a dataset")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for filters in architecture().filters:
        found: dict[str, list[float]] = {"stack": [], "keras": []}
        for _ in range(asked.rounds):
            for name, measure in (("stack", stack_s), ("keras", keras_s)):
                with processes(1) as pool:
                    found[name].append(pool.submit(measure, asked.dataset, filters).result())
        ratio = statistics.median(keras / own for keras, own in zip(found["keras"], found["stack"], strict=True))
        stack_ms, keras_ms = (1000 * statistics.median(found[name]) for name in ("stack", "keras"))
        print(f"two layers, {filters} filters: {stack_ms:.1f} ms a network-step, Keras {keras_ms:.1f} ms, {ratio:.2f}x")


if __name__ == "__main__":
    main()
