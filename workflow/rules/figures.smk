# Figures from tables: fast, and without TensorFlow. The module filtertwins.figures.<figure> draws each.
LOOK = {
    "labels": labels(settings),
    "threshold": THRESHOLD,
    "margins": settings.margins.model_dump(mode="json"),
}

# Category in the report: the figures in the order of the argument, with the tables that each is drawn from, and those
# that it can do without.
ARGUMENT = {
    "2 More filters": {
        "accuracy_vs_filters": (["runs_means"], ["optimum", "exact_reading_means"]),
        "redundancy_vs_accuracy": (["redundancy_means", "runs_means"], []),
    },
    "3 More than chance?": {
        "similarity_vs_chance": (["clusters", "redundancy"], []),
        "excess_over_chance": (["excess"], []),
        "kernel_gallery": (["kernels", "clusters", "redundancy"], []),
        "controls": (["controls_means"], []),
        "depth": (["depth_means", "depth_strangers"], []),
    },
    "4 What keeps filters apart": {
        "strangers": (["strangers"], ["strangers_by_threshold"]),
        "functional": (["functional_means"], []),
        "twins": (["twins_means"], []),
        "twins_bound": (["twins"], []),
        "condensation": (["condensation_means"], []),
        "one_fewer": (["one_fewer_means"], ["replanted_means"]),
        "preventers": (["preventers_means"], []),
    },
    "5 What redundant filters are worth": {
        "lossless_merge": (["merging"], []),
        "removal": (["removal", "removal_means", "removal_correlations"], []),
    },
    "6 Pruning": {
        "pruning": (["pruning_means"], []),
        "criteria": (["criteria_means"], []),
        "cost": (["cost_means"], []),
        "small_or_pruned": (["small_or_pruned"], []),
        "obd": (["obd_means"], []),
    },
}
ARGUMENT |= or_end(extensions.own_figures, TABLES)
# By category, the figures that this study has the tables for, with these tables.
DRAWN_TOGETHER = {
    category: {
        name: [*tables, *(table for table in optional if table in TABLES)]
        for name, (tables, optional) in figures.items()
        if set(tables) <= set(TABLES)
    }
    for category, figures in ARGUMENT.items()
}
DRAWN = [name for figures in DRAWN_TOGETHER.values() for name in figures]


def shown_in_report(category, name, place):
    """A figure's file for the report, with its caption. A figure does not wait for the claims; its caption does."""
    return report(
        FIGURES / f"{name}.png",
        caption=str(Path.cwd() / FIGURES / f"{name}.rst"),
        category=category,
        labels={"figure": f"{place} {name.replace('_', ' ')}"},
    )


# A job draws the figures of one category.
for category, figures in DRAWN_TOGETHER.items():
    add_job(
        f"plot_{category[2:].lower().replace(' ', '_').rstrip('?')}",
        {
            "tables": [
                path_of(table) for table in sorted(set().union(*figures.values()))
            ]
        },
        {
            "shown": [
                shown_in_report(category, name, place)
                for place, name in enumerate(figures, start=1)
            ],
            "drawn": [
                multiext(str(FIGURES / name), ".pdf", ".svg") for name in figures
            ],
        },
        {"figures": figures, "folder": FIGURES, "look": LOOK},
        f"draw {', '.join(figures)}",
        script="plot_figures",
        place=f"plot_figures/{category.rstrip('?')}",
        modules=[
            *extensions.files("figure", among=figures),
            *(f"filtertwins.figures.{name}" for name in figures),
        ],
    )
