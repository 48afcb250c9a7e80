# What the rules share: the validated settings, the plan, the paths, and what the jobs ask for.
import sys
from pathlib import Path
from shlex import quote

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))
# On a full disk Python may leave half a compiled module (mended in 3.12.8), and then nothing would run any more.
sys.dont_write_bytecode = True

from filtertwins import extensions, page
from filtertwins.errors import StudyError
from filtertwins.fixed import is_fixed
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
    collapse condensation controls depth exact_reading kernel_shapes lossless_merge one_fewer planted preventers
    removal replanted shared_seeds twins
    """.split())  # those that the rules know


def or_end(check, *arguments, **options):
    """The result of a check; if it fails, Snakemake ends with the message alone."""
    try:
        return check(*arguments, **options)
    except StudyError as error:
        sys.exit(f"error: {error}")


def code_of(script, *modules):
    """A job's script, its extensions, and a digest of the code that it runs: if that says something else, it is stale."""
    path, files = ROOT / "scripts" / f"{script}.py", extensions.located(modules)
    code = code_digest(path, SOURCE, files)
    return {"script": script, "code": code} | extensions.named(modules)


or_end(require_writable, [Path(".snakemake")])  # Snakemake notes there what it did.
or_end(refuse_repeated_options, sys.argv)
files = or_end(extensions.load_all, config, workflow.configfiles, ROOT)
or_end(refuse_duplicate_keys, [*workflow.configfiles, *files["claims"].values()])
settings = or_end(
    load_settings,
    config,
    experiments=EXPERIMENTS,
    methods=criteria.methods(),
    named=workflow.config_settings.overwrite_config,
)
config.update(files)  # For jobs: their parameters tell no place on this machine.
CLAIMS = [Path(files["claims"][name]) for name in settings.claims]
plan = Plan(settings, dataset_code=code_of("fetch_dataset")["code"])

DATASET = settings.dataset
# The file's name tells what the dataset holds. So its time does not matter, and it is an ancient input everywhere.
DATASET_FILE = plan.dataset_file(Path("data"))
IMAGES = ancient(DATASET_FILE)
RESULTS = Path("results") / DATASET
WEIGHTS = RESULTS / "weights"
FIGURES = Path("figures") / DATASET
LOGS = Path("logs") / DATASET
BENCHMARKS = Path("benchmarks") / DATASET
ENVIRONMENT = str(ROOT / "environment.yml")
CAPTIONS = ROOT / "workflow" / "report" / "captions"

# These tables have their means over the seeds beside them: the job that makes <table>.csv makes <table>_means.csv.
BESIDE = {table: [f"{table}_means"] for table in """
    condensation controls cost criteria depth exact_reading functional kernel_shapes obd one_fewer preventers
    pruning redundancy removal replanted runs twins
    """.split()}
BESIDE["removal"] += ["removal_correlations"]

TABLES = []  # the tables that the study makes, in RESULTS; `made` adds to them
JOBS = []  # the jobs whose rules jobs.smk makes; `add_job` adds to them


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


def add_job(name, inputs, outputs, parameters, message, **options):
    """Have a job of this name run a script. jobs.smk makes the rules of all jobs.

    A job's priority is its estimated time in seconds, so that the longest start first. For a training job it is the time
    from its start to the end of what waits for it.

    Options: the ``script``, and the ``place`` of its log and benchmark, if they have other names than the job; ``modules``
    that the script imports while it runs; ``need``, what the job needs of a machine; ``threads``; and a ``priority`` other
    than its seconds. A job without a need takes seconds, which is no work for a cluster: it runs where Snakemake does.
    """
    need = options.get("need")
    code = code_of(options.get("script", name), *options.get("modules", ()))
    JOBS.append(
        dict(
            name=name,
            place=options.get("place", name),
            inputs=inputs,
            outputs=outputs,
            parameters=code | parameters,
            message=message,
            local=need is None,
            resources=asks(need) if need else {},
            priority=options.get("priority", int(need.seconds) if need else 0),
            threads=options.get("threads", 1),
        )
    )


def make_tables(name, tables, inputs, parameters, need, **options):
    """Have tables made by a job of this name, which runs a script on inputs and parameters by their names."""
    outputs = made(*tables)
    message = f"{name.replace('_', ' ')} into {len(outputs)} tables"
    add_job(name, inputs, outputs, parameters, message, need=need, **options)


def function_of(name, **options):
    """A function of the library by its name in there, with some options, as a parameter of a job."""
    place, _, function = f"filtertwins.{name}".rpartition(".")
    return {"module": place, "function": function, "options": options}


def measure(name, *made_tables, modules=(), **more):
    """Have tables made of networks by one job. Each of `made_tables` has ``tables``, ``study`` and a function.

    Tables of a study without networks are not made.
    """
    made_tables = [own for own in made_tables if own["study"]["architectures"]]
    if not made_tables:
        return
    studies = [own["study"] for own in made_tables]
    code = {"code": code_of("train_networks")["code"]}
    for study in studies:
        study["conditions"] = {
            name: plan.common_condition(name) | code for name in study["architectures"]
        }
    need = plan.measuring_need(studies)
    chunks = {path for study in studies for path in plan.chunk_files(WEIGHTS, study)}
    make_tables(
        name,
        [table for own in made_tables for table in own["tables"]],
        more | {"chunks": sorted(chunks)},
        {"made": made_tables, "weights": WEIGHTS},
        need,
        script="measure_networks",
        modules={own["module"] for own in made_tables} | set(modules),
    )
