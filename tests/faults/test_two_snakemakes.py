"""Two Snakemakes in one folder: the second refuses, the first is unharmed."""

from __future__ import annotations

COMMAND = ("--cores", "2")
TABLE = "results/digits/claims.csv"


def test_the_second_refuses_and_the_first_finishes_unharmed(study, running):
    undisturbed = study.contents("data", "results", "figures")
    (study.folder / TABLE).unlink()
    first = running(study, *COMMAND, at=TABLE)
    during = study.contents("data", "results", "figures")
    for _ in range(2):  # the second's end did not remove the first's lock
        output = study.snakemake(*COMMAND, exit_code=1)
        assert "Directory cannot be locked" in output
        assert "--unlock" in output  # the way out, if there is no first
        assert "Traceback" not in output
    assert study.stale()  # while looking is allowed
    assert study.contents("data", "results", "figures") == during

    first.go_on()
    assert study.contents("data", "results", "figures") == undisturbed
