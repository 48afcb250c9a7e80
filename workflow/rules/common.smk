# What the rules share: the validated settings, the plan, the paths, and how a job calls its script.
import shlex
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))
# On a full disk Python may write half a compiled module (fixed in 3.12.8), and from then on nothing would run.
sys.dont_write_bytecode = True

from filtertwins.errors import StudyError
from filtertwins.guards import date_back, pass_on_interrupts, require_writable
from filtertwins.plan import Plan, as_json, asked_mem_mb, asked_minutes, digest
from filtertwins.provenance import code_digest
from filtertwins.pruning import criteria
from filtertwins.records import forget_records, restore_records, save_records
from filtertwins.settings import SettingsError, load_settings

pass_on_interrupts()


def or_end(check, *arguments):
    """The result of a check; its failure ends Snakemake with the message alone."""
    try:
        return check(*arguments)
    except StudyError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


or_end(require_writable, [Path(".snakemake")])  # where Snakemake notes what it did


def code(name):
    """Digest of a script and the library modules it uses: a parameter, so that editing them makes the job stale."""
    return code_digest(ROOT / "scripts" / f"{name}.py", SOURCE)


CLAIMS = ROOT / "config" / "claims.yaml"
EXPERIMENTS = ROOT / "workflow" / "rules" / "experiments"
try:
    settings = load_settings(
        config,
        experiments={path.stem for path in EXPERIMENTS.glob("*.smk")},
        methods=criteria.METHODS,
    )
except SettingsError as error:
    sys.exit(f"error: {error}")

plan = Plan(settings, dataset_code=code("fetch_dataset"))

DATASET = settings.dataset
DATASET_FILE = plan.dataset_file(Path("data"))
RESULTS = Path("results") / DATASET
WEIGHTS = RESULTS / "weights"
FIGURES = Path("figures") / DATASET
LOGS = Path("logs") / DATASET
BENCHMARKS = Path("benchmarks") / DATASET

# What Snakemake compares: file times, and its notes on what made a file.
MADE = [DATASET_FILE.parent, RESULTS, FIGURES]
RECORDS = RESULTS / "records.json"
if workflow.is_main_process:  # and not in a job's, on another machine
    date_back(MADE)
    or_end(restore_records, RECORDS, MADE)

# Rule files add to these; the targets `tables` and `figures` make all that is in the first two.
TABLES = []  # names of tables in RESULTS
# Table: the files that it is put together from, each made by a job of its own.
PARTS = {}
# Figure: the tables it reads, those it reads where they are made, and its options.
FIGURE_SOURCES = {}
# Tables of runs to compare with chance.
REDUNDANCY = [("redundancy", "near_duplicates")]


# Priorities. Of training it is a chunk's weights, up to ten millions here, so that the longest come first; figures, which
# nothing waits for, have none.
TABLE = 10**8  # claims wait for it
LONG = 10**9  # and it takes long, or much waits for it
ALONE = 10**10  # it takes all cores, which later would fall idle one by one


def path_of(table):
    return RESULTS / f"{table}.csv"


wildcard_constraints:
    architecture="[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?",  # of the study, or of an experiment
    filters="[0-9]+",
    first="[0-9]+",
    last="[0-9]+",


# What every shell command starts with. Nothing here is a parameter of a job: another folder, Python or mirror makes
# nothing stale. Scripts run with the Python that runs Snakemake, unless Snakemake makes the environment, and find the
# library without an installation. Every job has one thread: those that linear algebra starts otherwise, and keeps
# spinning, cost 0.6 s of processor time a process before it does anything.
in_conda = "conda" in {
    str(method) for method in workflow.deployment_settings.deployment_method
}
interpreter = "python" if in_conda else shlex.quote(sys.executable)
preamble = f"""
set -euo pipefail
export PYTHONPATH={shlex.quote(str(SOURCE))} PYTHONDONTWRITEBYTECODE=1
export OMP_NUM_THREADS=1
run_script() {{ {interpreter} {shlex.quote(str(ROOT / "scripts"))}/"$1".py "${{@:2}}"; }}
mirrors=({shlex.join(getattr(settings.dataset_settings, "mirrors", ()))})
claims={shlex.quote(str(CLAIMS))}
"""
shell.prefix(
    preamble.replace("{", "{{").replace("}", "}}")
)  # Snakemake formats it once more


def of_chunk(quantity):
    """A quantity of the plan, as a function of a chunk's wildcards."""

    def value(wildcards):
        return quantity(
            wildcards.architecture,
            int(wildcards.filters),
            int(wildcards.first),
            int(wildcards.last),
        )

    return value


# Resources, of a number or of a function of the wildcards: twice as much at each further attempt.


def mem_mb(need):
    return lambda wildcards, attempt: asked_mem_mb(
        need(wildcards) if callable(need) else need, attempt
    )


def minutes(need):
    return lambda wildcards, attempt: asked_minutes(
        need(wildcards) if callable(need) else need, attempt
    )


def print_summary():
    for text in (RESULTS / "summary.txt", RESULTS / "claims.txt"):
        if text.exists():
            print(text.read_text())
