"""Published folders are recognised and listed with what is known; nobody is in two splits."""

import json

import pytest

from flame_tools.errors import FormatError, InputError
from recon.corpus import ffhq
from recon.corpus.layouts import LAYOUTS, layout_of
from recon.corpus.listing import list_folders
from recon.corpus.source import SPLITS, split_of


@pytest.mark.parametrize("name", ["ffhq", "celeba", "lrs3", "mead", "voxceleb"])
def test_a_published_folder_is_recognised_by_one_layout(folders, name):
    assert layout_of(folders[name]).name == name
    others = [other for other in LAYOUTS if other not in (name, "files")]
    assert not [other for other in others if LAYOUTS[other].recognised(folders[name])]


def listed(folders, name):
    return {source.name: source for source in LAYOUTS[name].sources(folders[name])}


def test_ffhq_says_author_licence_and_place(folders):
    found = listed(folders, "ffhq")
    assert [source.split for source in found.values()] == ["train"] * 3 + ["validation"]
    first = found["images1024x1024/00000/00000.png"]
    assert first.labels == {"author": "Author 0", "licence": "Public Domain", "photo_url": "https://example.org"}
    assert first.at == (292, 120) and first.subject == "00000"
    (folders["ffhq"] / "ffhq-dataset-v2.json").rename(folders["ffhq"] / "gone")
    try:
        without = listed(folders, "ffhq")
    finally:
        (folders["ffhq"] / "gone").rename(folders["ffhq"] / "ffhq-dataset-v2.json")
    assert list(without) == [name for name in found if "00002" not in name]
    assert [source.split for source in without.values()] == ["train", "train", "validation"]


def test_ffhqs_table_is_read_piece_by_piece_and_refused_where_it_is_damaged(tmp_path):
    (tmp_path / "images1024x1024" / "00000").mkdir(parents=True)
    table = tmp_path / "ffhq-dataset-v2.json"
    whole = json.dumps({str(n): {"category": "training", "metadata": {"author": 'a "b" }' * 300}} for n in range(99)})
    table.write_text(whole)  # several times what is read at once
    assert [source.subject for source in ffhq.sources(tmp_path)] == [f"{n:05d}" for n in range(99)]
    for text, said in (
        (whole[:-700], "cut short"), ("[1, 2]", "no JSON of FFHQ"), ('{"0": 3}', "wanted an object"),
        ('{"0": {"metadata": 3}}', "does not"), ('{"0": {"image": {"face_landmarks": [1]}}}', "does not"),
    ):  # fmt: skip
        table.write_text(text)
        with pytest.raises(FormatError, match=said):
            list(ffhq.sources(tmp_path))


def test_celeba_says_person_attributes_and_landmarks(folders):
    found = listed(folders, "celeba")
    assert [(source.subject, source.split) for source in found.values()] == [
        ("7", "train"), ("9", "train"), ("7", "validation"),
    ]  # fmt: skip
    one = found["Img/img_align_celeba/000002.jpg"]
    assert one.labels["attributes"] == ["Smiling"] and one.labels["landmarks_5"][4] == [110, 144]
    assert one.at == pytest.approx((91.6, 123))


def test_lrs3_says_words(folders):
    found = listed(folders, "lrs3")
    assert {name.partition("/")[0]: source.split for name, source in found.items()} == {
        "pretrain": "train", "trainval": "train", "test": "test",
    }  # fmt: skip
    one = found["pretrain/00j9bKdiOjk/50001.mp4"]
    assert one.labels["text"] == "SO LIGHT" and one.labels["words"][1] == ["LIGHT", 0.21, 0.4]
    assert found["test/0Fi83BHQsMA/50001.mp4"].labels == {"part": "test", "text": "SO LIGHT"}


def test_mead_says_emotion_level_and_view(folders):
    one, other = listed(folders, "mead").values()
    assert one.labels == {"emotion": "happy", "level": 2, "view": "front", "sentence": "001", "sex": "male"}
    assert (other.subject, other.split, other.labels["view"]) == ("W009", None, "left_30")


def test_voxceleb_says_who_by_its_tables(folders):
    found = list(listed(folders, "voxceleb").values())
    assert [(s.subject, s.split, s.labels.get("nationality")) for s in found] == [
        ("id00012", "train", None), ("id00017", "test", None),
        ("A.J._Buckley", "train", "Ireland"), ("Zac_Efron", "test", "USA"),
    ]  # fmt: skip
    assert found[0].labels == {"gender": "m", "video": "21Uxsk56VDQ"} and found[2].is_clip


def test_a_subject_is_in_one_split_that_of_those_held_out(folders):
    listing = list_folders([folders["celeba"]])
    assert listing.moved == 1 and listing.counts == {"train": 1, "validation": 2, "test": 0}
    assert [s.subject for s in listing.of("validation")] == ["7", "7"]
    whole = list_folders(list(folders.values()))
    everyone = [source for split in SPLITS for source in whole.of(split)]
    assert len({source.key for source in everyone}) == len(everyone) == sum(whole.counts.values()) == 16
    splits = {(source.dataset, source.subject): set() for source in everyone}
    for source in everyone:
        splits[source.dataset, source.subject].add(source.split)
    assert all(len(split) == 1 for split in splits.values())


def test_splits_by_name_are_shared_out_and_stay():
    people = [split_of("mead", f"M{n:03d}") for n in range(1000)]
    assert people == [split_of("mead", f"M{n:03d}") for n in range(1000)]
    assert [people.count(split) for split in SPLITS] == pytest.approx([800, 100, 100], abs=40)


def test_files_are_of_whom_their_folder_says(tmp_path):
    for name in ("ann/a.jpg", "ann/more/b.PNG", "bob.jpeg", ".hidden/c.jpg", "ann/notes.txt", "film.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = [(s.name, s.subject, s.is_clip) for s in LAYOUTS["files"].sources(tmp_path)]
    assert found == [
        ("bob.jpeg", "bob", False), ("film.mp4", "film", True),
        ("ann/a.jpg", "ann", False), ("ann/more/b.PNG", "ann", False),
    ]  # fmt: skip


def test_what_is_no_such_folder_is_refused(folders, tmp_path):
    with pytest.raises(InputError, match="is not laid out as mead; wanted M003/video"):
        layout_of(folders["ffhq"], "mead")
    with pytest.raises(InputError, match="holds no pictures and no films"):
        layout_of(tmp_path)
    with pytest.raises(InputError, match="no layout 'lfw'"):
        layout_of(tmp_path, "lfw")
    with pytest.raises(InputError, match="is no folder"):
        layout_of(tmp_path / "nowhere")
