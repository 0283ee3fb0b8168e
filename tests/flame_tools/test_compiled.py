"""Kernels that have to be compiled are announced once; those that lie on the disk are not."""

import importlib.util
import logging

from flame_tools import compiled

SOURCE = """
from flame_tools.compiled import kernel

@kernel("int64(int64)")
def one_more(n):
    return n + 1

@kernel("int64(int64)")
def one_less(n):
    return n - 1
"""


def imported(path):
    spec = importlib.util.spec_from_file_location("kernels_of_a_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_compiling_is_said_once_and_only_where_it_happens(tmp_path, caplog, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "kernels_of_a_test.py").write_text(SOURCE)
    compiled._say_once.cache_clear()
    with caplog.at_level(logging.INFO, "flame_tools.compiled"):
        assert imported(tmp_path / "kernels_of_a_test.py").one_more(1) == 2
        assert [record.getMessage() for record in caplog.records] == [compiled._KEPT]
        compiled._say_once.cache_clear()
        assert imported(tmp_path / "kernels_of_a_test.py").one_less(1) == 0
        assert len(caplog.records) == 1
