"""Memory that the C library keeps: how much of it, where that can be said."""

import ctypes
import sys

# glibc's malloc.h; other C libraries have no `mallopt`.
_M_ARENA_MAX = -8
ARENAS = 2


def bound_arenas() -> None:
    """Lets threads share `ARENAS` pools of freed memory, which glibc would have eight of a core.

    What is freed in a thread's pool serves that pool alone, so that a training would grow for as
    long as its batches meet new threads. To be called before there are threads.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)
