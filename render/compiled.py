"""The numba decorator, where render's kernels find it."""

from flame_tools.compiled import kernel

__all__ = ["kernel"]
