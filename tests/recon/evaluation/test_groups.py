"""Tables of pictures: how they are read, cut into groups, summed up and written."""

import json

import numpy as np
import pytest

from flame_tools.errors import FormatError, InputError
from recon.evaluation.groups import Measured, bootstrap, measured_groups
from recon.evaluation.manifest import groups_of, read_bins, read_manifest
from recon.evaluation.tables import as_json, as_markdown

ROWS = [  # prediction, subject, skin, yaw, value
    ("a", "ann", "I", -40, 1.0),
    ("b", "ann", "I", 10, 3.0),
    ("c", "bob", "V", 70, 8.0),
    ("", "bob", "V", 0, None),
    ("d", "cat", "", 20, 4.0),
]
VALUES = {name: value for name, *_, value in ROWS}


@pytest.fixture
def table(tmp_path):
    lines = ["prediction,truth,subject,skin tone,yaw"]
    for name, subject, skin, yaw, _ in ROWS:
        (tmp_path / (name or "t")).touch()
        lines.append(f"{name},t,{subject},{skin},{yaw}")
    path = tmp_path / "table.csv"
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def measure(picture) -> Measured:
    value = VALUES[picture.prediction.name]
    return Measured({"error": value, "odd": None if value > 5 else value}, np.full(int(value), value))


def test_groups_counts_and_means(table):
    groups = measured_groups(read_manifest(table), measure, by=["skin tone", "yaw"])
    keys = [(group.attribute, group.value, group.pictures, group.missing, group.subjects) for group in groups]
    assert keys == [
        ("all", "all", 5, 1, 3),
        ("skin tone", "I", 2, 0, 1),
        ("skin tone", "V", 2, 1, 1),
        ("skin tone", "unknown", 1, 0, 1),
        ("yaw", "0 to 15", 2, 1, 2),
        ("yaw", "15 to 30", 1, 0, 1),
        ("yaw", "30 to 45", 1, 0, 1),
        ("yaw", "60 and more", 1, 0, 1),
    ]
    every = groups[0]
    assert every.figures["error"].mean == pytest.approx(4) and every.figures["error"].pictures == 4
    assert every.figures["odd"].mean == pytest.approx(8 / 3) and groups[2].figures["odd"] is None
    assert every.figures["error"].low < 4 < every.figures["error"].high
    assert groups[1].figures["error"].low is None  # two pictures of one person
    pooled = [1] * 1 + [3] * 3 + [8] * 8 + [4] * 4
    assert every.pooled["mean_mm"] == pytest.approx(np.mean(pooled)) and every.pooled["points"] == 16


def test_the_same_table_gives_the_same_bytes(table):
    pictures = read_manifest(table)
    first, second = (json.dumps(as_json(measured_groups(pictures, measure, by=["yaw"]))) for _ in range(2))
    assert first == second
    alone = measured_groups(pictures, measure, by=["yaw"])[0]
    assert alone == measured_groups(pictures, measure, by=[])[0]  # a group's interval hangs on no other group


def test_intervals_hold_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = []
    for k in range(80):
        values = rng.normal(2.0, 1.0, 60)
        low, high = bootstrap(values, range(60), seed=k)
        held.append(low <= 2.0 <= high)
    assert 0.87 < np.mean(held) < 1  # 95 %; one standard error of 80 trials is 2.4 %
    people = np.repeat(np.arange(12), 5)
    values = rng.normal(size=12)[people] + 0.01 * rng.normal(size=60)
    wide, narrow = bootstrap(values, people), bootstrap(values, range(60))
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])  # five pictures of one person are one person
    assert bootstrap(values[:5], people[:5]) is None
    assert bootstrap(values, people, seed=1) != bootstrap(values, people, seed=2)


def test_json_tables_and_bins(table, tmp_path):
    rows = [
        {"prediction": name or None, "truth": "t", "subject": subject, "skin tone": skin, "yaw": yaw}
        for name, subject, skin, yaw, _ in ROWS
    ]
    (tmp_path / "table.json").write_text(json.dumps({"pictures": rows}))
    pictures = read_manifest(tmp_path / "table.json")
    assert pictures == read_manifest(table)
    assert list(groups_of(pictures, "yaw", read_bins("yaw:50", pictures))) == ["0 to 50", "50 and more"]
    assert list(groups_of(pictures, "yaw", {})) == ["-40", "0", "10", "20", "70"]
    assert list(groups_of(pictures, "subject")) == ["ann", "bob", "cat"]
    for wrong in ("yaw", "yaw:3,2", "yaw:x", ":4"):
        with pytest.raises(InputError, match="age:18"):
            read_bins(wrong, pictures)
    with pytest.raises(InputError, match="no attribute 'light'; it has skin tone, yaw"):
        read_bins("yaw:50;light:5", pictures)
    with pytest.raises(InputError, match="skin tone, yaw"):
        groups_of(pictures, "light")


def test_markdown_is_safe_from_what_groups_are_called(table):
    table.write_text(table.read_text(encoding="utf-8-sig").replace("I,-40", "a|b<i>,-40"), encoding="utf-8")
    text = as_markdown(measured_groups(read_manifest(table), measure, by=["skin tone"]), ["error", "odd"])
    lines = text.splitlines()
    assert lines[0].startswith("| group | pictures | missing | people | pooled median") and len(lines) == 7
    assert "skin tone: a\\|b&lt;i>" in text and "4 [" in lines[2]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("", FormatError, "0 bytes"),
        ("prediction,truth\n", FormatError, "no rows"),
        ("prediction,scan\na,t\n", FormatError, "'truth'"),
        ("prediction,truth\na\n", FormatError, "row 1"),
        ("prediction,truth\na,t,x\n", FormatError, "row 1"),
        ("prediction,truth,truth\na,t,t\n", FormatError, "twice"),
        ("prediction,truth\na,gone\n", InputError, "gone"),
        ("prediction,truth\na,\n", FormatError, "empty truth"),
        ("prediction,truth,frame\na,t,-1\n", FormatError, "frame"),
        ('prediction,truth\n"a,t\n', FormatError, "CSV"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(table, content, error, says):
    table.write_text(content)
    with pytest.raises(error, match=says) as caught:
        read_manifest(table)
    assert "\n" not in str(caught.value)


def test_hostile_json_and_too_many_groups(table, tmp_path):
    for content, says in (("[" * 50_000, "JSON"), ("{}", "list"), ('[{"prediction": ["a"], "truth": "t"}]', "row 1")):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(FormatError, match=says):
            read_manifest(tmp_path / "x.json")
    (tmp_path / "x.csv").write_text("prediction,truth,id\n" + "".join(f"a,t,{i}\n" for i in range(60)))
    with pytest.raises(InputError, match="--bins"):
        groups_of(read_manifest(tmp_path / "x.csv"), "id")


def test_a_row_that_cannot_be_measured_is_named(table):
    def fail(picture):
        raise InputError("no face")

    with pytest.raises(InputError, match="row 1: no face"):
        measured_groups(read_manifest(table), fail, by=[])
