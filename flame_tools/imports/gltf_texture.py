"""The picture that a glTF's skin wears, where it lies in the file or beside it."""

from __future__ import annotations

import io

import numpy as np

from flame_tools.characters.gltf_file import GltfFile

MAX_PIXELS = 64_000_000


def is_textured(file: GltfFile) -> bool:
    """Whether any material has a picture for its base colour."""
    return any(_picture_of(material) is not None for material in file.items("materials"))


def has_relief(file: GltfFile) -> bool:
    """Whether any material has a normal map."""
    return any("normalTexture" in material for material in file.items("materials"))


def albedo_of(file: GltfFile) -> np.ndarray | None:
    """[H, W, 3] uint8 sRGB, the first base colour of the file; None where it has none that can be read."""
    wanted = next((p for m in file.items("materials") if (p := _picture_of(m)) is not None), None)
    if wanted is None:
        return None
    source = file.item("textures", wanted).get("source")
    if source is None:  # an extension's, in a format of its own
        return None
    image = file.item("images", source)
    if "bufferView" in image:
        length = file.number(file.item("bufferViews", image["bufferView"]), "byteLength")
        data = file.view(image["bufferView"], 0, length, "u1", 1).tobytes()
    else:
        data = file.outside(image.get("uri"))
    return _pixels(data)


def _picture_of(material: dict) -> object | None:
    for holder, key in (("pbrMetallicRoughness", "baseColorTexture"), ("baseColorTexture", "index")):
        material = material.get(holder)
        if not isinstance(material, dict) or key not in material:
            return None
    return material["index"]


def _pixels(data: bytes) -> np.ndarray | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            return np.array(picture.convert("RGB"))
    except Exception:  # Pillow's readers raise whatever broken bytes lead them to; the face comes without a texture
        return None
