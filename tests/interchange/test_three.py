"""three.js plays our GLB by the page of docs/programs.md, word for word."""

import numpy as np
import pytest

from flame_tools import load_head
from flame_tools.export import write_glb, write_wav
from flame_tools.export.corners import split_by_material
from flame_tools.posing import posed_frames
from tests.interchange.chromium import PROGRAM, browser
from tests.interchange.performance import performance
from tests.interchange.programs import VENV
from tests.interchange.three_page import SEEKABLE, page_text, seek, served

THREE = VENV / "node" / "node_modules" / "three"
SAME_M = 1e-5  # worst seen 4e-7
VERTICES = """(() => {
  const found = [];
  gltf.scene.updateMatrixWorld(true);
  gltf.scene.traverse((mesh) => {
    if (!mesh.isMesh) return;
    const points = [];
    for (let i = 0; i < mesh.geometry.attributes.position.count; i += 7)
      points.push(mesh.localToWorld(mesh.getVertexPosition(i, mesh.position.clone())).toArray());
    found.push(points);
  });
  return found;
})()"""


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: apt install chromium")
def test_the_page_of_the_documentation_moves_the_head_as_we_do(tmp_path):
    if not THREE.is_dir():
        pytest.skip("three.js is not installed: bash tools/install_test_programs.sh, with Node at hand")
    head = load_head()
    track = performance(head, 6)
    track = track.replace(audio=np.zeros(4000, np.float32), audio_rate=16000)
    write_glb(track, head, tmp_path / "talk.glb")
    write_wav(track, tmp_path / "talk.wav")
    parts = [piece.vertices[::7] for piece in split_by_material(head.arrays)]
    page = page_text()
    page = page.replace("const gltf =", "const gltf = window.gltf =")  # so that we can look
    with browser() as tab, served(tmp_path, page, THREE) as address:
        tab.size(160, 120)
        tab.open(address)
        tab.run(SEEKABLE)
        for frame, points in zip(range(5), posed_frames(track, head), strict=False):  # at the sixth the clip ends
            tab.run(seek(track.time_s[frame]))
            seen = tab.run(VERTICES)
            assert [len(part) for part in seen] == [len(part) for part in parts]
            for places, vertices in zip(seen, parts, strict=True):
                assert np.abs(np.array(places) - points[vertices]).max() < SAME_M, frame
        assert [message for message in tab.messages if "404" not in message] == []  # of the icon that browsers ask for
        assert tab.run("Object.keys(gltf.scene.getObjectByProperty('isMesh', true).morphTargetDictionary).length") > 52
