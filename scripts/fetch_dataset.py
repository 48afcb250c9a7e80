"""Fetch, verify and decode a dataset into one file of arrays."""

import argparse
import json
import os
from pathlib import Path

from filtertwins import files
from filtertwins.data import datasets, downloads, idx
from filtertwins.errors import run_script
from filtertwins.settings import EmbeddedDataset, IdxDataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=json.loads, required=True, help="its settings as JSON, without mirrors")
    parser.add_argument("--mirrors", nargs="*", default=[], help="folders, file:// or http(s):// addresses, in order")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the files as served")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    if arguments.dataset["kind"] == "embedded":
        EmbeddedDataset.model_validate(arguments.dataset)
        dataset = datasets.load_digits()
    else:
        settings = IdxDataset.model_validate(arguments.dataset | {"mirrors": arguments.mirrors})
        idx_files = idx.IdxFiles(*(idx.IdxFile(**file) for file in settings.files.model_dump().values()))
        downloads.fetch_idx_files(
            idx_files, downloads.mirrors_with_site_mirror(settings.mirrors, os.environ), arguments.raw
        )
        dataset = datasets.decode_idx_dataset(arguments.raw, idx_files, validation_images=settings.validation_images)
    files.write_npz(arguments.output, dataset.to_arrays())


if __name__ == "__main__":
    run_script(main)
