"""How many pools of memory glibc has for the threads of a real process."""

import ctypes
import subprocess
import sys

import pytest

from dcmls_tf import memory

# Threads that are alive at once each want a pool; `malloc_info` lists those there are.
ARENAS = """
import ctypes, sys, tempfile, threading
from dcmls_tf import memory
if sys.argv[1] == "bound":
    memory.bound_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
together = threading.Barrier(16)
def take():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read().decode().count("<heap nr="))
"""


def arenas(how):
    told = subprocess.run([sys.executable, "-c", ARENAS, how], capture_output=True, check=True)
    return int(told.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the pools are glibc's")
def test_threads_share_a_few_pools():
    assert arenas("bound") == memory.ARENAS < arenas("as it is")


def test_where_there_are_none_no_library_is_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    monkeypatch.setattr(sys, "platform", "darwin")
    memory.bound_arenas()
    assert not asked
