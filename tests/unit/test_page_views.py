"""The page's charts and its HTML, from made-up tables; test_page_browser.py looks at a page in a browser."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from figure_tables import LABELS, study_tables

from filtertwins.figures.style import Look
from filtertwins.page import TABLES
from filtertwins.page.colours import colours_view
from filtertwins.page.html import Figure, answer_page, image_address
from filtertwins.page.views import MEASURES

LOOK = Look(labels=LABELS)
FIGURES = [Figure("twins", image_address(b"<svg/>", b"png"), ["Twins <stay>.", "How to read it."])]


def made(seeds=3, without=(), status="exploratory", judged=True, **changed):
    whole = study_tables(seeds) | changed
    tables = {name: table for name, table in whole.items() if name in TABLES and name not in without}
    tables["redundancy"] = tables["redundancy"].assign(live_filters=2, exact_duplicate_pairs=0, twin_pairs=0)
    if (twins := tables.get("twins_means")) is not None:
        tables["twins_means"] = twins.assign(mean=twins["mean"] + 100 * twins["epsilon"])  # Each start has other means.
    rows = [
        ("stay", "answer", "Twins & filters", "Do <they>?", "supported", "Yes: they do.", "twins"),
        ("go", "ours", "Others", None, "refuted", "No.", "nowhere"),
        ("lost", "ours", "Lost", None, "inconclusive", "Not measured: no.", "twins"),
        ("redundant_add_nothing", "answer", "Nor these", "Do they add?", "supported", "They add nothing.", None),
    ]
    columns = ["claim", "said_by", "statement", "headline", "verdict", "finding", "figure"]
    claims = pd.DataFrame(rows if judged else [], columns=columns).assign(status=status, exploratory=None)
    return answer_page(tables, claims, FIGURES, {"seeds": "3"}, LOOK)


@pytest.fixture(scope="module")
def text():
    return made()


def specs_of(text):
    return json.loads(re.search(r'<script id="specs" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_holds_all_charts_with_their_data_and_asks_for_nothing(text):
    specs = specs_of(text)
    assert set(specs) == {"kernels", "redundancy", "twins", "accuracy", "pruning"}
    for name, spec in specs.items():
        assert spec["description"]
        assert f'id="{name}"' in text
        assert "url" not in json.dumps(spec["datasets"])
    outside = text.replace(re.search(r"<script>(?!\s*\"use).*?</script>", text, re.DOTALL)[0], "")
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", outside)


def test_claims_that_were_judged_are_there_and_the_others_are_counted(text):
    assert "Twins &amp; filters" in text
    assert "<strong>Do &lt;they&gt;?</strong> Yes: they do." in text
    assert "Lost" not in text
    assert "1 further claims could not be judged" in text
    assert 'href="#figure-twins"' in text
    assert "#figure-nowhere" not in text
    assert "<strong>Do they add?</strong> They add nothing." in text  # No figure shows it.


def test_a_study_without_claims_and_some_experiments_has_a_page_without_their_section_and_charts():
    text = made(without=("twins_means", "pruning_means", "kernels"), judged=False)
    assert set(specs_of(text)) == {"redundancy", "accuracy"}
    assert "92 to 93" not in text  # It is not the question's dataset.
    assert "Every claim" not in text
    assert "The verdicts" not in text


def test_verdicts_confirm_or_explore_no_interval_leaves_its_range_and_what_is_shown_first_tells_something(text):
    means = study_tables(3)
    wide = means["runs_means"].assign(low=-0.4, high=1.6)
    likeness = means["redundancy_means"]
    none = likeness.assign(mean=likeness["mean"].where(likeness["measure"] != "redundant_share", 0.0))
    confirmatory = made(status="confirmatory", runs_means=wide, redundancy_means=none)
    assert "The verdicts are exploratory: only the default study of MNIST" in text
    assert "The verdicts are confirmatory" in confirmatory
    specs = specs_of(confirmatory)
    drawn = [row for rows in specs["accuracy"]["datasets"].values() for row in rows if "mean" in row]
    assert {(row["low"], row["high"]) for row in drawn if row["architecture"] != "question_epochs"} == {(0, 1)}
    assert specs["redundancy"]["params"][0]["value"] == MEASURES["mean_nearest_cosine"]


def test_a_large_drawing_goes_in_as_an_image():
    assert image_address(b"s" * 10, b"p").startswith("data:image/svg+xml;base64,")
    assert image_address(b"s" * 10**6, b"p").startswith("data:image/png;base64,")


def test_kernels_of_three_channels_are_colours_and_others_are_not():
    """A kernel is divided by its own largest weight, and a weight of 0 is grey."""
    places = pd.MultiIndex.from_product(
        [["own"], [2], [0], ["initial", "trained"], [0, 1], [0], [0, 1], [0, 1, 2]],
        names=["architecture", "filters", "seed", "stage", "filter", "row", "column", "channel"],
    )
    kernels = places.to_frame(index=False).assign(weight=0.0)
    trained = (kernels["stage"] == "trained") & (kernels["filter"] == 1)
    kernels.loc[trained, "weight"] = [2, 0, -2, 1, 1, 1]
    view = colours_view(kernels, LOOK)
    [rows] = view.spec["datasets"].values()
    fills = {(row["stage"], row["filter"], row["x"] % 3): row["fill"] for row in rows}
    assert (fills["after", 1, 0], fills["after", 1, 1]) == ("#ff8000", "#bfbfbf")
    assert {fill for (stage, *_), fill in fills.items() if stage == "before"} == {"#808080"}
    grey = kernels[kernels["channel"] == 0].assign(architecture="of one channel")
    assert colours_view(grey, LOOK) is None
    [alone] = colours_view(pd.concat([kernels, grey]), LOOK).spec["datasets"].values()
    assert alone == rows
