import pytest

from recon.synthetic.folded_faces import FoldedFaces


@pytest.fixture(scope="session")
def folded(head):
    """Two made faces: with folds, and smooth."""
    faces = FoldedFaces(head, 3)
    return faces.face(0, smooth=False, age=1.2), faces.face(0, smooth=True)
