"""Prune a chunk's networks to some number of filters by several methods, and train on all of them together."""

import argparse
import json
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from filtertwins import files, training
from filtertwins.data import datasets
from filtertwins.errors import interrupts_end_at_once, run_script
from filtertwins.networks.weights import load_chunk, stacked
from filtertwins.pruning.networks import prune_chunk, pruning_rows
from filtertwins.settings import Architecture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--chunk", type=Path, required=True, help="trained networks")
    parser.add_argument("--condition", type=json.loads, required=True, help="what the chunk must be, as JSON")
    parser.add_argument("--importance", type=Path, required=True, help="of the networks' filters, by each criterion")
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--kept", type=int, required=True, help="filters to keep; all of them: only train on")
    parser.add_argument("--fine-tuning-steps", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    chunk = load_chunk(arguments.chunk, arguments.condition)
    with threadpool_limits(1):  # so that the last bits don't depend on how many cores there are
        pruned = prune_chunk(chunk, files.read_csv(arguments.importance), arguments.methods, arguments.kept)
    dataset = datasets.Dataset.from_arrays(files.read_npz(arguments.dataset, datasets.DATASET_SHAPES))

    training.one_thread()
    with interrupts_end_at_once():
        before, after = training.fine_tune(
            dataset,
            Architecture.model_validate(chunk.condition["model"] | {"filters": [arguments.kept]}),
            stacked([network for _, network in pruned]),
            [name["seed"] for name, _ in pruned],
            arguments.fine_tuning_steps,
            f"{chunk.condition['architecture']} filters={chunk.condition['filters']} kept={arguments.kept}",
            report=lambda line: print(line, flush=True),
        )
    names = [name for name, _ in pruned]
    rows = [*pruning_rows(names, 0, before), *pruning_rows(names, arguments.fine_tuning_steps, after)]
    files.write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
