# What the rules share: the validated settings, the plan, the paths, and what the jobs ask for.
import sys
from pathlib import Path
from shlex import quote

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))
# On a full disk Python may leave half a compiled module (mended in 3.12.8), and then nothing would run any more.
sys.dont_write_bytecode = True

from filtertwins.errors import StudyError
from filtertwins.guards import require_writable
from filtertwins.plan import Plan, asked_mem_mb, asked_minutes, digest
from filtertwins.provenance import code_digest
from filtertwins.pruning import criteria
from filtertwins.settings import SettingsError, load_settings

EXPERIMENTS = set("""
    collapse condensation controls kernel_shapes lossless_merge one_fewer removal twins
    """.split())  # those that the rules know


def or_end(check, *arguments, **options):
    """The result of a check; if it fails, Snakemake ends with the message alone."""
    try:
        return check(*arguments, **options)
    except (StudyError, SettingsError) as error:
        sys.exit(f"error: {error}")


def code_of(script, *modules):
    """A job's script, and a digest of the code that it runs: when the code says something else, the job is stale."""
    path = ROOT / "scripts" / f"{script}.py"
    return {"script": script, "code": code_digest(path, SOURCE, modules)}


def call_of(script, function, **options):
    """The same for a script that calls a function of the library, by its name in there, with some options."""
    place, _, name = f"filtertwins.{function}".rpartition(".")
    return code_of(script, place) | dict(module=place, function=name, options=options)


or_end(require_writable, [Path(".snakemake")])  # Snakemake notes there what it did.
settings = or_end(
    load_settings, config, experiments=EXPERIMENTS, methods=criteria.METHODS
)
plan = Plan(settings, dataset_code=code_of("fetch_dataset")["code"])

DATASET = settings.dataset
# The file's name tells what the dataset holds. So its time does not matter, and it is an ancient input everywhere.
DATASET_FILE = plan.dataset_file(Path("data"))
RESULTS = Path("results") / DATASET
WEIGHTS = RESULTS / "weights"
FIGURES = Path("figures") / DATASET
LOGS = Path("logs") / DATASET
BENCHMARKS = Path("benchmarks") / DATASET
CHUNK = "{architecture}/filters-{filters}_seeds-{first}-{last}"
ENVIRONMENT = str(ROOT / "environment.yml")
CLAIMS = ROOT / "config" / "claims.yaml"
CAPTIONS = ROOT / "workflow" / "report" / "captions"

# Priorities of jobs that have no size of their own. The priority of a training job is its number of weights, up to ten
# millions, so that the longest start first.
TABLE = 10**8  # The claims wait for tables.
LONG = 10**9  # These jobs take long, or much waits for them.
ALONE = 10**10  # This job needs all cores: the earlier it comes, the fewer wait for it.

# These tables have their means over the seeds beside them: the job that makes <table>.csv makes <table>_means.csv.
BESIDE = {table: [f"{table}_means"] for table in """
    condensation controls cost criteria kernel_shapes obd one_fewer pruning redundancy removal runs twins
    """.split()}
BESIDE["removal"] += ["removal_correlations"]

TABLES = []  # the tables that the study makes, in RESULTS; `made` adds to them
JOBS = {}  # what makes whole tables, by its name; `make_table` adds to them


wildcard_constraints:
    architecture="[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?",  # <experiment>/<name> for those of an experiment
    filters="[0-9]+",
    first="[0-9]+",
    last="[0-9]+",


# Every job is a Python script, run in one thread with the library on its path. None of this is a parameter of a job, so
# another folder or another Python makes nothing stale. Snakemake formats the prefix, hence the doubled braces.
library = quote(str(SOURCE)).replace("{", "{{").replace("}", "}}")
shell.prefix(
    f"export PYTHONPATH={library} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1"
    " OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1; "
)


def path_of(table):
    return RESULTS / f"{table}.csv"


def made(*names):
    """The outputs, by name, of a job that makes some tables of the study, with the tables beside them."""
    tables = [table for name in names for table in (name, *BESIDE.get(name, ()))]
    TABLES.extend(tables)
    return {
        table: report(path_of(table), category="7 Tables", labels={"table": table})
        for table in tables
    }


def of_chunk(quantity):
    """A quantity of the plan, as a function of a chunk's wildcards."""

    def value(wildcards):
        numbers = (int(wildcards[name]) for name in ("filters", "first", "last"))
        return quantity(wildcards.architecture, *numbers)

    return value


def asks(mem_mb, minutes):
    """What a job asks a cluster for, as numbers or functions of its wildcards: twice as much at each further attempt."""

    def asked(need, rounded):
        return lambda wildcards, attempt: rounded(
            need(wildcards) if callable(need) else need, attempt
        )

    return {
        "mem_mb": asked(mem_mb, asked_mem_mb),
        "runtime": asked(minutes, asked_minutes),
    }


def make_table(name, tables, inputs, parameters, resources=asks(1500, 15), **more):
    """Have whole tables made by a job of this name, of inputs and parameters by their names."""
    JOBS[name] = dict(
        inputs=inputs,
        outputs=made(*tables),
        parameters=parameters,
        resources=resources,
        **more,
    )


def rows_by(function, **options):
    """The parameters of a job whose table has the rows that a function of the library makes of each chunk."""
    return call_of("measure_networks", function, **options)


def measure(name, tables, study, parameters, **more):
    """Have tables made of the networks of a part of the study."""
    inputs = {"chunks": plan.chunk_files(WEIGHTS, study)} | more
    memory_mb = plan.measuring_mem_mb(study, base=3000 if more else 1500)
    parameters = parameters | {"study": study, "weights": WEIGHTS}
    resources = asks(memory_mb, plan.measuring_minutes(study))
    make_table(name, tables, inputs, parameters, resources)


def compare(name, table, tables, function, **options):
    """Have a table made of others, by a function of the library."""
    inputs = {each: path_of(each) for each in tables}
    make_table(name, [table], inputs, call_of("compare_tables", function, **options))
