# The dataset, and the networks that are trained on it.

# Raw files are fetched, verified and decoded in one job where Snakemake runs: compute nodes often have no internet. The
# files stay in data/raw/<dataset>, where they may also be put by hand.
add_job(
    "fetch_dataset",
    {},
    {"dataset": DATASET_FILE},
    {"raw": Path("data") / "raw" / DATASET, "dataset": plan.dataset},
    f"fetch and verify the dataset {DATASET}",
)

# Each of these jobs trains some conditions for some seeds. It leaves out those whose file is there and was trained just
# so: `update` keeps the files for it. To train a network again, delete its file.
for bundle in plan.bundles():
    add_job(
        f"train_{bundle.name}",
        {"dataset": IMAGES},
        {"chunks": [update(path) for path in bundle.files(WEIGHTS)]},
        {"families": plan.bundle_conditions(bundle)},
        f"train {bundle.words}",
        script="train_networks",
        place=f"train_networks/{bundle.name}",
        need=plan.training_need(bundle),
        priority=int(plan.urgency_s(bundle)),
    )
