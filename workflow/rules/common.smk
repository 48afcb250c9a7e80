# What the rules share: the validated settings, the plan, the paths, and what the jobs ask for.
import sys
from pathlib import Path
from shlex import quote

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))
# On a full disk Python may leave half a compiled module (mended in 3.12.8), and then nothing would run any more.
sys.dont_write_bytecode = True

from filtertwins import page
from filtertwins.errors import StudyError
from filtertwins.guards import refuse_repeated_options, require_writable
from filtertwins.labels import labels
from filtertwins.mistakes import refuse_duplicate_keys
from filtertwins.names import chunk_name
from filtertwins.needs import Need, asked_mem_mb, asked_minutes, deletion_need
from filtertwins.plan import Plan
from filtertwins.provenance import code_digest, digest
from filtertwins.pruning import criteria
from filtertwins.settings import load_settings

EXPERIMENTS = set("""
    collapse condensation controls kernel_shapes lossless_merge one_fewer planted preventers removal replanted
    shared_seeds twins
    """.split())  # those that the rules know


def or_end(check, *arguments, **options):
    """The result of a check; if it fails, Snakemake ends with the message alone."""
    try:
        return check(*arguments, **options)
    except StudyError as error:
        sys.exit(f"error: {error}")


def code_of(script, *modules):
    """A job's script, and a digest of the code that it runs: when the code says something else, the job is stale."""
    path = ROOT / "scripts" / f"{script}.py"
    return {"script": script, "code": code_digest(path, SOURCE, modules)}


or_end(require_writable, [Path(".snakemake")])  # Snakemake notes there what it did.
or_end(refuse_repeated_options, sys.argv)
or_end(refuse_duplicate_keys, [*workflow.configfiles, ROOT / str(config.get("claims"))])
settings = or_end(
    load_settings,
    config,
    experiments=EXPERIMENTS,
    methods=criteria.METHODS,
    named=workflow.config_settings.overwrite_config,
)
CLAIMS = ROOT / settings.claims if settings.claims else None
plan = Plan(settings, dataset_code=code_of("fetch_dataset")["code"])

DATASET = settings.dataset
# The file's name tells what the dataset holds. So its time does not matter, and it is an ancient input everywhere.
DATASET_FILE = plan.dataset_file(Path("data"))
RESULTS = Path("results") / DATASET
WEIGHTS = RESULTS / "weights"
FIGURES = Path("figures") / DATASET
LOGS = Path("logs") / DATASET
BENCHMARKS = Path("benchmarks") / DATASET
ENVIRONMENT = str(ROOT / "environment.yml")
CAPTIONS = ROOT / "workflow" / "report" / "captions"

# A job's priority is its estimated time in seconds, and for a training job the time from its start to the end of what waits
# for it, so that the longest way to the end is started first. One job needs all cores: the earlier it comes, the fewer
# wait for it.
ALONE = 10**8

# These tables have their means over the seeds beside them: the job that makes <table>.csv makes <table>_means.csv.
BESIDE = {table: [f"{table}_means"] for table in """
    condensation controls cost criteria functional kernel_shapes obd one_fewer preventers pruning redundancy removal
    replanted runs twins
    """.split()}
BESIDE["removal"] += ["removal_correlations"]

TABLES = []  # the tables that the study makes, in RESULTS; `made` adds to them
JOBS = {}  # what makes whole tables, by its name; `make_table` adds to them


# Every job is a Python script, run in one thread with the library on its path, and without what a user has set up for
# matplotlib, as notebooks do. None of this is a parameter of a job, so another folder or another Python makes nothing
# stale. Snakemake formats the prefix, hence the doubled braces.
library = quote(str(SOURCE)).replace("{", "{{").replace("}", "}}")
shell.prefix(
    f"export PYTHONPATH={library} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1"
    " OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=agg MATPLOTLIBRC=/dev/null; "
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


# Some sites want memory per core. Then it is so among the profile's default resources, and what jobs ask is that too: all
# of them ask for one core.
MEMORY = "mem_mb_per_cpu"
if MEMORY not in (workflow.resource_settings.default_resources or {}):
    MEMORY = "mem_mb"


def asks(need):
    """What a job asks a cluster for: what it needs, and twice as much at each further attempt."""
    return {
        MEMORY: lambda wildcards, attempt: asked_mem_mb(need, attempt),
        "runtime": lambda wildcards, attempt: asked_minutes(need, attempt),
    }


def make_tables(script, name, tables, inputs, parameters, need, modules=()):
    """Have tables made by a job of this name, which runs a script on inputs and parameters by their names."""
    JOBS[name] = dict(
        inputs=inputs,
        outputs=made(*tables),
        parameters=code_of(script, *modules) | parameters,
        resources=asks(need),
        priority=int(need.seconds),
    )


def function_of(name, **options):
    """A function of the library by its name in there, with some options, as a parameter of a job."""
    place, _, function = f"filtertwins.{name}".rpartition(".")
    return {"module": place, "function": function, "options": options}


def measure(name, *made_tables, **more):
    """Have tables made of networks by one job. Each of `made_tables` has ``tables``, ``study`` and a function."""
    studies = [own["study"] for own in made_tables]
    code = {"code": code_of("train_networks")["code"]}
    for study in studies:
        conditions = {
            name: plan.common_condition(name) for name in study["architectures"]
        }
        study["conditions"] = {name: own | code for name, own in conditions.items()}
    need = plan.measuring_need(studies)
    chunks = {path for study in studies for path in plan.chunk_files(WEIGHTS, study)}
    make_tables(
        "measure_networks",
        name,
        [table for own in made_tables for table in own["tables"]],
        more | {"chunks": sorted(chunks)},
        {"made": made_tables, "weights": WEIGHTS},
        need,
        {own["module"] for own in made_tables},
    )
