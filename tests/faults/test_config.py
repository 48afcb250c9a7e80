"""What a user sees who made a mistake: all mistakes at once, no traceback, and the failed job's own words."""

from __future__ import annotations

import re

from filtertwins.files import read_csv


def message_of(output):
    """What is printed last, from "error:" on: lines of mistakes and nothing else, no file, no traceback."""
    _, message = output.split("\nerror: ")
    headline, *mistakes = message.splitlines()
    assert all(line.startswith("  - ") for line in mistakes), output
    return headline, mistakes


def test_a_config_with_mistakes_ends_with_all_of_them_and_no_traceback(new_tree):
    new_tree.configure(
        "wrong.yaml",
        {"seeds": 0, "architectures": {"question": {"activation": "rleu", "batsch": 5}}, "measures": {"null_draws": 7}},
    )
    headline, mistakes = message_of(new_tree.snakemake("--cores", "1", exit_code=1))
    assert headline == "the configuration has 4 mistakes:"
    for line, key in zip(
        mistakes,
        (
            "seeds = 0",
            "architectures.question.activation = 'rleu'",
            "architectures.question.batsch: unknown key",
            "measures.null_draws = 7",
        ),
        strict=True,
    ):
        assert key in line
    assert "did you mean 'relu'?" in mistakes[1]
    assert "did you mean 'batch'?" in mistakes[2]


def test_an_unknown_dataset_on_the_command_line_is_answered_with_the_nearest_known_one(new_tree):
    _, (mistake,) = message_of(new_tree.snakemake("--cores", "1", "--config", "dataset=minst", exit_code=1))
    assert mistake.startswith("  - dataset = 'minst'; not defined under datasets; allowed: mnist, digits;")
    assert mistake.endswith("did you mean 'mnist'?")


def test_a_diverging_run_fails_its_job_by_seed_and_step_and_the_others_finish(study):
    wild = {
        "kernel": [3, 1],
        "activation": "relu",
        "learning_rate": 1.0e30,
        "batch": 64,
        "steps": 6,
        "filters": [16],  # the largest, so that it is trained first
    }
    study.configure("wild.yaml", {"architectures": {"wild": wild, "relu_5x5": {"filters": [2, 3]}}})
    output = study.snakemake("--cores", "1", "--keep-going", exit_code=1)
    weights = study.folder / "results" / "digits" / "weights"
    assert re.search("wild filters=16: training diverged: seed 0, step [0-9]", output), output
    assert "Traceback" not in output
    assert (weights / "relu_5x5" / "filters-003_seeds-000-001.npz").is_file()
    assert not list((weights / "wild").glob("*"))
    assert "wild" not in set(read_csv(study.folder / "results" / "digits" / "runs.csv")["architecture"])
