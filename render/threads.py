"""The pool of threads, where render's kernels find it."""

from flame_tools.threads import default_threads, pool, run_tasks

__all__ = ["default_threads", "pool", "run_tasks"]
