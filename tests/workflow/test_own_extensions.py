"""CONTRIBUTING.md's criterion, measure, claim and figure of one's own, as it walks through them, on the tiny study."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from filtertwins.files import read_csv
from studies import NOTHING

RESULTS, FIGURES = "results/digits", "figures/digits"
NAMES = {"mine.yaml", "apoz.py", "effective_rank.py", "narrower.py", "claims.yaml", "directions.py"}
PRUNING = "prune_relu_5x5_apoz_002_seeds-000-001"
ADDED_TO = ("pruning", "importance", "redundancy")  # The other tables are made of these, or stay as they are.
UNCHANGED = ("runs", "kernels", "near_duplicates", "clusters", "functional", "strangers", "excess", "from_scratch")


@pytest.fixture
def walked(study, root):
    """The finished study, with the files of the walk beside it, for its networks of two filters and its two seeds."""
    page = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"`mine/([\w.]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL))
    assert set(blocks) == NAMES
    blocks["claims.yaml"] = blocks["claims.yaml"].replace("filters: 16", "filters: 2")
    study.edit("config/claims.yaml", "fewest_seeds: 5", "fewest_seeds: 2")
    (study.folder / "mine").mkdir()
    for name, text in blocks.items():
        (study.folder / "mine" / name).write_text(text, encoding="utf-8")
    study.overlays = (*study.overlays, "mine/mine.yaml")
    return study


def tables_of(study):
    return {path.stem: read_csv(path) for path in (study.folder / RESULTS).glob("*.csv")}


def test_the_walk_adds_what_it_promises_and_changes_nothing_of_the_study(walked):
    before, files = tables_of(walked), walked.contents(RESULTS, FIGURES)
    stale = walked.stale()
    assert [name for name in stale if name.startswith(("train", "prune", "delete"))] == [PRUNING]
    assert not {"fetch_dataset", "collect_networks", "measure_experiments", "measure_filters"} & set(stale)
    output = walked.snakemake("--cores", "2")
    after = tables_of(walked)

    for name in ADDED_TO:  # rows after those that were there, and columns
        pd.testing.assert_frame_equal(after[name].iloc[: len(before[name])][before[name].columns], before[name])
    contents = walked.contents(RESULTS, FIGURES)
    kept = [name for name in files if name.startswith((f"{RESULTS}/weights/", f"{RESULTS}/pruning/"))]
    kept += [f"{RESULTS}/{name}.csv" for name in UNCHANGED]
    kept += [f"{FIGURES}/{name}.svg" for name in ("kernel_gallery", "strangers", "redundancy_vs_accuracy")]
    assert [name for name in kept if contents[name] != files[name]] == []
    assert walked.stale() == NOTHING

    pruned = after["pruning"].query("method == 'apoz'")
    assert set(pruned["architecture"]) == {"relu_5x5"}
    assert len(pruned) == len(after["pruning"]) - len(before["pruning"]) == 2 * 2  # seeds, before and after fine-tuning
    assert after["importance"].query("criterion == 'apoz'")["importance"].between(0, 1).all()
    assert {"random", "l1", "oracle"} <= set(after["criteria"].query("other == 'apoz'")["criterion"])
    assert set(after["pruning_means"].query("method == 'apoz'")["n"]) == {2}

    several = after["redundancy"].query("filters > 1")
    assert several["effective_rank"].between(1, several["filters"] + 1e-9).all()
    means = after["redundancy_means"].query("measure == 'effective_rank' and filters > 1")
    assert means[["mean", "null", "null_low", "null_high"]].notna().all(axis=None)
    assert means["strangers"].isna().all()  # Of two networks none has strangers that never met each other.

    told = ["claim", "effect", "low", "high", "n"]  # of the study's claims, what does not depend on the fewest seeds
    pd.testing.assert_frame_equal(after["claims"].iloc[:-1][told], before["claims"][told])
    claim = after["claims"].set_index("claim").loc["filters_are_narrower_than_chance"]
    assert (claim["n"], claim["unit"]) == (2, "directions")
    assert re.match(r"(Yes|No|Not clear): ", claim["finding"])
    assert claim["statement"] in " ".join(output.split())
    assert claim["status"] == "exploratory"

    drawn = {path.name for path in (walked.folder / FIGURES).glob("directions.*")}
    assert drawn == {f"directions.{suffix}" for suffix in ("pdf", "svg", "png", "rst")}
    caption = (walked.folder / FIGURES / "directions.rst").read_text(encoding="utf-8")
    assert caption.startswith(f"{claim['statement']}? {claim['finding']}\n\nThe effective rank of a network's filters")
    assert "The effective rank of a network" in (walked.folder / RESULTS / "answer.html").read_text(encoding="utf-8")

    walked.append("mine/apoz.py", "\n\n# A comment.\n")
    walked.edit("mine/directions.py", "panel(2.5)", "panel(2.4)")
    assert set(walked.stale()) == {"plot_own_directions", "check_claims", "write_page", "all"}
    walked.edit("mine/apoz.py", "> 0", "> 1e-6")
    assert {PRUNING} == {name for name in walked.stale() if name.startswith(("measure", "train", "prune"))}


def test_a_file_that_fails_ends_the_study_in_a_line_before_any_job(walked):
    walked.edit("mine/apoz.py", "def apoz(trained)", "def apoz(trained, images)")
    *_, line = walked.snakemake("--cores", "1", exit_code=1).strip().splitlines()
    assert re.match(r"error: apoz.py in .*mine, line \d+: the criterion apoz\(trained, images\): its parameters", line)
    (walked.folder / "mine" / "apoz.py").unlink()
    *_, line = walked.snakemake("--cores", "1", exit_code=1).strip().splitlines()
    assert re.match(r"error: extensions: 'apoz.py' is no file in .*mine; give its path", line)
