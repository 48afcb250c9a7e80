# From tables to verdicts, in words and numbers; and the figures' captions, with what the claims found.

PAGE = SOURCE / "filtertwins" / "page" / "templates" / "answer.html.j2"
FACTS = {
    "dataset": DATASET,
    "seeds of each condition": settings.seeds,
    "config": ", ".join(Path(file).name for file in workflow.configfiles),
    "digest of the config": digest(settings.model_dump(mode="json")),
}


def answer(path, text):
    """A file of the report's first category."""
    return report(path, category="1 Answer", labels={"text": text})


CAPTIONS_FILLED = [FIGURES / f"{name}.rst" for name in DRAWN]

add_job(
    "check_claims",
    {"tables": [path_of(table) for table in TABLES]},
    {
        "claims": answer(path_of("claims"), "3 claims, as a table"),
        "text": answer(RESULTS / "claims.txt", "2 claims"),
        "summary": answer(RESULTS / "summary.txt", "1 summary"),
        "captions": CAPTIONS_FILLED,
    },
    dict(
        claims=settings.claims,
        declared=digest([file.read_text("utf-8") for file in CLAIMS]),
        texts=digest([it.read_text("utf-8") for it in sorted(CAPTIONS.glob("*.rst"))]),
        labels=LOOK["labels"],
        margins=LOOK["margins"],
        fixed=is_fixed(settings, CLAIMS, ROOT / "config"),
    ),
    (
        "judge the claims, and write the captions and the summary"
        if CLAIMS
        else "write the captions and the summary"
    ),
    modules=extensions.files("test", "figure"),
)

add_job(
    "write_page",
    {
        "tables": [path_of(table) for table in page.TABLES if table in TABLES],
        "claims": path_of("claims"),
        "captions": CAPTIONS_FILLED,
        "drawn": [multiext(str(FIGURES / name), ".svg", ".png") for name in DRAWN],
    },
    {"page": answer(RESULTS / "answer.html", "0 the answer as a page")},
    {"template": digest(PAGE.read_text("utf-8")), "look": LOOK, "facts": FACTS},
    "write the answer as one page",
)
