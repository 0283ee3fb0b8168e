import pytest

from recon.corpus.build import BuildOptions, build
from tests.recon.corpus import published

OPTIONS = BuildOptions(size=96, shard_size=2, frames_per_clip=3)


@pytest.fixture(scope="session")
def folders(tmp_path_factory, astronaut):
    """A folder of each dataset."""
    root = tmp_path_factory.mktemp("published")
    made = {}
    for name, make in published.LAYOUTS.items():
        (root / name).mkdir()
        made[name] = make(root / name, astronaut)
    return made


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, folders):
    """What is built of them, and where."""
    out = tmp_path_factory.mktemp("corpus")
    return build(list(folders.values()), out, options=OPTIONS), out
