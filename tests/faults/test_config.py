"""A config that is wrong: all mistakes at once, exit code 1, no traceback, and nothing has run."""

from __future__ import annotations

import pytest

MISTAKES = {
    "seeds": 0,
    "snapshots": "many",
    "dataset": "minst",
    "colour": "red",
    "architectures": {
        "question": {"activation": "rleu", "batsch": 5, "filters": [4, 2]},
        "relu_3x1": {"learning_rate": float("inf"), "epochs": 3},
        "5x5": {"kernel": [5, 5], "activation": "relu", "learning_rate": 1e-3, "batch": 64, "steps": 6, "filters": [2]},
    },
    "measures": {"null_draws": 7},
    "experiments": {"twinns": {}},
    "pruning": {
        "methods": ["l1", "tailor"],
        "images": 0,
        "networks": {"question": {"filters": 16, "kept": [4, 20]}, "relu_5x5": {"kept": [4], "from_scratch": [5]}},
        "weight_deletion": {"shares": [0.5, 1.0]},
    },
}
WORDS = [  # of each mistake: the key, the value, and what would be right
    ("seeds = 0;", "greater than 0"),
    ("snapshots = 'many';", "integer"),
    ("dataset = 'minst';", "did you mean 'mnist'?"),
    ("colour: unknown key;", "allowed: datasets, dataset, seeds"),
    ("architectures.question.activation = 'rleu';", "did you mean 'relu'?"),
    ("architectures.question.batsch: unknown key;", "did you mean 'batch'?"),
    ("architectures.question.filters = [4, 2];", "must increase"),
    ("architectures.relu_3x1.learning_rate = inf;", "finite number"),
    ("architectures.relu_3x1.epochs = 3;", "give either steps or epochs"),
    ("architectures.5x5", "match pattern"),
    ("measures.null_draws = 7;", "greater than or equal to 100"),
    ("experiments.twinns: unknown experiment;", "did you mean 'twins'?"),
    ("pruning.methods.tailor: unknown method;", "did you mean 'taylor'?"),
    ("pruning.images = 0;", "greater than 0"),
    ("pruning.networks.question.kept = [4, 20];", "allowed: 1 to 15"),
    ("pruning.networks.relu_5x5.from_scratch = [5];", "in kept, 4"),
    ("pruning.weight_deletion.shares.1 = 1.0;", "less than 1"),
]


def message_of(output):
    """What is printed last, from "error:" on: lines of mistakes and nothing else, no file, no traceback."""
    _, message = output.split("\nerror: ")
    headline, *mistakes = message.splitlines()
    assert all(line.startswith("  - ") for line in mistakes), output
    assert "Traceback" not in output
    return headline, mistakes


@pytest.mark.parametrize("arguments", [["--cores", "1"], ["--dry-run"]])
def test_a_config_with_many_mistakes_ends_with_all_of_them_and_no_traceback(new_tree, arguments):
    new_tree.configure("wrong.yaml", MISTAKES)
    headline, mistakes = message_of(new_tree.snakemake(*arguments, exit_code=1))
    assert headline == f"the configuration has {len(WORDS)} mistakes:"
    for words in WORDS:
        assert [mistake for mistake in mistakes if all(word in mistake for word in words)], (words, mistakes)
    assert not (new_tree.folder / "data").exists()


def test_an_unknown_dataset_on_the_command_line_is_answered_with_the_nearest_known_one(new_tree):
    _, (mistake,) = message_of(new_tree.snakemake("--cores", "1", "--config", "dataset=minst", exit_code=1))
    assert mistake.startswith("  - dataset = 'minst'; not defined under datasets; allowed: mnist, digits;")
    assert mistake.endswith("did you mean 'mnist'?")


@pytest.mark.parametrize("text", ["seeds: [", "- a list", "just text", "seeds: 2\n\tsnapshots: 3", "\x00"])
def test_a_file_that_is_no_config_is_refused_in_words(new_tree, text):
    (new_tree.folder / "config" / "broken.yaml").write_text(text, encoding="utf-8")
    output = new_tree.snakemake("--cores", "1", "--configfile", "config/broken.yaml", exit_code=1)
    assert "Traceback" not in output
    assert "Config file" in output  # Snakemake's words
    assert "YAML" in output
