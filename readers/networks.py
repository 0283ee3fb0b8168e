"""Small bundled networks (.tflite), built once a process and safe to call from several threads."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
import threading

import numpy as np

from assets.locate import asset_path
from flame_tools.threads import default_threads


@contextlib.contextmanager
def _without_greetings():
    """Keep the library's lines that begin with INFO from the terminal: it has no setting for them."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no terminal and no file: nobody to greet
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said.readlines(1 << 16):
                if not line.startswith(b"INFO:"):
                    os.write(2, line)


class Network:
    """One .tflite file with one input and any number of outputs.

    It runs on one thread, by XNNPACK's kernels (2.5 times as fast as the plain ones): the answer is then the same at
    any load. An interpreter holds its tensors, so calls from several threads have one each, at most as many as there
    are cores; further calls wait.
    """

    def __init__(self, name: str):
        self._name = name
        self._turns = threading.Semaphore(default_threads())
        self._idle = [self._interpreter()]
        (entry,) = self._idle[0].get_input_details()
        self._input = entry["index"]
        self.input_size = int(entry["shape"][1])  # pixels along each side
        self._outputs = [d["index"] for d in self._idle[0].get_output_details()]

    def _interpreter(self):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with _building, _without_greetings():
            interpreter = Interpreter(
                str(asset_path(self._name)), num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN
            )
            interpreter.allocate_tensors()
        return interpreter

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """image [size, size, 3] float32 in the network's own range -> its outputs, without the batch dimension."""
        with self._turns:
            try:
                interpreter = self._idle.pop()
            except IndexError:  # all are at work
                interpreter = self._interpreter()
            try:
                interpreter.set_tensor(self._input, np.ascontiguousarray(image[None], np.float32))
                interpreter.invoke()
                return [interpreter.get_tensor(index)[0] for index in self._outputs]
            finally:
                self._idle.append(interpreter)


_building = threading.RLock()


@functools.cache
def _built(name: str) -> Network:
    return Network(name)


def network(name: str) -> Network:
    """The bundled network called `name`, built the first time it is asked for."""
    with _building:
        return _built(name)
