"""Small folders laid out as the datasets are published, made of the bundled photo and clips of it that move."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from render.video import write_video


def picture(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def lit(image: np.ndarray, light: float) -> np.ndarray:
    """A picture in more or less light, so that it is no duplicate."""
    return np.clip(image * light, 0, 255).astype(np.uint8)


def clip(path: Path, image: np.ndarray, frames: int = 12, light: float = 0.6) -> Path:
    """A face track of 224 x 224 pixels in which the face moves to the side while it grows light."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cuts = (lit(image[0:224, 112 + 3 * i : 336 + 3 * i], light + 0.05 * i) for i in range(frames))
    write_video(path, cuts, 25)
    return path


def ffhq(folder: Path, image: np.ndarray) -> Path:
    """Pictures 0, 1 and 60000; the table has 2, which is missing, too."""
    said = {}
    for number, category in ((0, "training"), (1, "training"), (2, "training"), (60000, "validation")):
        name = f"images1024x1024/{number // 1000 * 1000:05d}/{number:05d}.png"
        if number != 2:
            picture(folder / name, lit(image[:, :: 1 if number else -1], 1.2 if number > 2 else 1.0))
        x = 220 if number else 512 - 220
        said[str(number)] = {
            "category": category,
            "metadata": {"author": f"Author {number}", "license": "Public Domain", "photo_url": "https://example.org"},
            "image": {"file_path": name, "face_landmarks": [[x - 30.0, 90.0], [x + 30.0, 150.0]]},
        }
    (folder / "ffhq-dataset-v2.json").write_text(json.dumps(said))
    return folder


def celeba(folder: Path, image: np.ndarray) -> Path:
    """Three pictures of two people; person 7 is of training by one, of validation by another."""
    rows = {"000001.jpg": ("7", "0"), "000002.jpg": ("9", "0"), "000003.jpg": ("7", "1")}
    for number, name in enumerate(rows):
        picture(folder / "Img" / "img_align_celeba" / name, lit(image[8:226, 130:308], 0.8 + 0.2 * number))
    (folder / "Anno").mkdir()
    (folder / "Eval").mkdir()
    anno = folder / "Anno"
    (anno / "identity_CelebA.txt").write_text("".join(f"{n} {who}\n" for n, (who, _) in rows.items()))
    (folder / "Eval" / "list_eval_partition.txt").write_text("".join(f"{n} {part}\n" for n, (_, part) in rows.items()))
    names = "5_o_Clock_Shadow Eyeglasses Smiling"
    (anno / "list_attr_celeba.txt").write_text(f"3\n{names}\n" + "".join(f"{n} -1 -1  1\n" for n in rows))
    marks = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    (anno / "list_landmarks_align_celeba.txt").write_text(
        f"3\n{marks}\n" + "".join(f"{n}  70 100  112 101  92 125  74 145  110 144\n" for n in rows)
    )
    return folder


def lrs3(folder: Path, image: np.ndarray) -> Path:
    said = "Text:  SO LIGHT\nConf:  4\n\nWORD START END ASDSCORE\nSO 0.08 0.21 5.1\nLIGHT 0.21 0.40 7.2\n"
    for part in ("pretrain", "trainval", "test"):
        video = folder / part / ("0Fi83BHQsMA" if part == "test" else "00j9bKdiOjk")
        path = clip(video / "50001.mp4", image)
        path.with_suffix(".txt").write_text(said if part == "pretrain" else said.partition("\n\n")[0] + "\n")
    return folder


def mead(folder: Path, image: np.ndarray) -> Path:
    clip(folder / "M003" / "video" / "front" / "happy" / "level_2" / "001.mp4", image[:, ::-1], light=0.7)
    clip(folder / "W009" / "video" / "left_30" / "neutral" / "level_1" / "012.mp4", image)
    (folder / "M003" / "audio" / "happy" / "level_2").mkdir(parents=True)
    return folder


def voxceleb(folder: Path, image: np.ndarray) -> Path:
    """Clips of VoxCeleb2, and faces of VoxCeleb1 at one a second and at all."""
    clip(folder / "dev" / "mp4" / "id00012" / "21Uxsk56VDQ" / "00001.mp4", image)
    clip(folder / "test" / "mp4" / "id00017" / "01dfn2spqyE" / "00001.mp4", image)
    for number in (1, 2, 10):
        cut = lit(image[0:224, 112 + number : 336 + number], 0.5 + 0.05 * number)
        picture(folder / "unzippedFaces" / "A.J._Buckley" / "1.6" / "1zcIwhmdeo4" / f"{number:07d}.jpg", cut)
        picture(
            folder / "unzippedIntervalFaces" / "data" / "Zac_Efron" / "1.6" / "2onVoeSgouI" / "1" / f"{number:07d}.jpg",
            cut,
        )
    (folder / "vox2_meta.csv").write_text(
        "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00017 ,n000017 ,f ,test \n"
    )
    (folder / "vox1_meta.csv").write_text(
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA.J._Buckley\tm\tIreland\tdev\n"
        "id11250\tZac_Efron\tm\tUSA\ttest\n"
    )
    return folder


LAYOUTS = {"ffhq": ffhq, "celeba": celeba, "lrs3": lrs3, "mead": mead, "voxceleb": voxceleb}
