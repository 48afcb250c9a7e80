"""Keys that stand twice in a YAML file: each is named with its lines, and what YAML allows is accepted."""

from __future__ import annotations

import pytest

from filtertwins.errors import StudyError
from filtertwins.mistakes import duplicate_keys, refuse_duplicate_keys


def written(tmp_path, text, name="file.yaml"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3: a stands in line 1 already"]),
        ("a: 1\na: 2\n'a': 3\n", ["line 2: a stands in line 1", "line 3: a stands in line 1"]),
        ("a:\n  b: {c: 1, c: 1}\n", ["line 2: a.b.c stands in line 2"]),
        ("a:\n- b: 1\n- b: 1\n  c: 1\n  b: 2\n", ["line 5: a.1.b stands in line 3"]),
        ("b: {x: 1}\na: {y: 1}\nb: {x: 1, x: 2}\n", ["line 3: b stands in line 1", "line 3: b.x stands in line 3"]),
        ("a: &a {b: 1, b: 2}\nc: *a\nd: {<<: *a}\n", ["line 1: a.b stands in line 1"]),
        ('{"a": 1,\n"a": 2}', ["line 2: a stands in line 1"]),
    ],
)
def test_each_key_that_stands_twice_in_a_section_is_named_with_both_lines(tmp_path, text, expected):
    path = written(tmp_path, text)
    found = duplicate_keys(path)
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert line.startswith(f"{path}, {words}")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: 1}\nc: {<<: *a, b: 2}\n",  # a section overrides what it merges
        "a: &a {b: 1}\nc: &c {b: 2}\nd:\n  <<: *a\n  <<: *c\n",
        "a: {b: 1}\nc: {b: 1}\n",
        "- {a: 1}\n- {a: 1}\n",
        "1: a\n'1': b\n",  # a number and a text
        "&a [*a]",  # itself
        "? [a]\n: 1\n? [b]\n: 2\n",
        "",
        "text",
        "a: [",  # Who reads it says what is wrong.
        "a: 1\n--- \na: 1\n",
    ],
)
def test_what_yaml_allows_and_what_is_no_yaml_have_none(tmp_path, text):
    assert duplicate_keys(written(tmp_path, text)) == duplicate_keys(tmp_path / "absent") == []


def test_all_files_are_checked_at_once(tmp_path):
    paths = [written(tmp_path, "a: 1\na: 2\n", name) for name in ("one.yaml", "two.yaml")]
    with pytest.raises(StudyError) as caught:
        refuse_duplicate_keys([*paths, written(tmp_path, "a: 1\n"), str(paths[0])])
    headline, *lines = str(caught.value).splitlines()
    assert headline == "the configuration has 2 mistakes:"
    assert [line.split(",")[0] for line in lines] == [f"  - {path}" for path in paths]
    refuse_duplicate_keys([tmp_path / "file.yaml"])
