"""A damaged weights file in a study: the message names it and its way out works."""

from __future__ import annotations

CHUNK = "results/digits/weights/relu_5x5/filters-002_seeds-000-001.npz"
TABLE = "results/digits/runs.csv"


def test_the_way_out_in_the_message_works(study):
    undisturbed = study.contents("results", "figures")
    path = study.folder / CHUNK
    path.write_bytes(path.read_bytes()[:-1000])
    (study.folder / TABLE).unlink()
    output = study.snakemake("--cores", "2", TABLE, exit_code=1)
    assert f"error: {CHUNK}: found bytes that are not a whole npz file" in output
    assert "delete it and run again" in output
    assert "Traceback" not in output
    path.unlink()
    study.snakemake("--cores", "2", TABLE)
    assert study.contents("results", "figures") == undisturbed
