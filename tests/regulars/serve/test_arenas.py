import platform
import subprocess
import sys

import pytest

from regulars.serve import arenas

THREADS = """
import ctypes, sys, threading
from regulars.serve import arenas

if len(sys.argv) > 1:
    assert arenas.limit_arenas(int(sys.argv[1]))
start = threading.Barrier(6)

def allocate():
    start.wait()
    blocks = [bytearray(100_000) for _ in range(50)]
    start.wait()

threads = [threading.Thread(target=allocate) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""


def pools(*limit: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", THREADS, *limit], capture_output=True, text=True, check=True
    )
    return done.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps pools for threads")
def test_threads_share_so_many_pools_of_memory() -> None:
    assert pools() > 2
    assert pools("2") == 2


def test_another_c_library_is_left_alone() -> None:
    assert arenas.limit_arenas(2) is (platform.libc_ver()[0] == "glibc")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_a_large_block_goes_back_whatever_was_freed_before() -> None:
    script = """
from regulars.serve import arenas
assert arenas.give_large_blocks_back()
from chalicelib.book.vision.machine import read_resident_bytes
del_first = bytearray(30_000_000); del del_first  # after which glibc alone would keep 20 MB
before = read_resident_bytes()
blocks = [bytearray(b"x") * 20_000_000 for _ in range(10)]
last = bytearray(b"x" * 100)
del blocks
assert read_resident_bytes() < before + 30_000_000, read_resident_bytes() - before
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_the_memory_of_an_ordinary_picture_is_kept_for_the_next_one() -> None:
    script = """
import resource, threading
from regulars.serve import arenas
assert arenas.limit_arenas(2) and arenas.give_large_blocks_back()

def picture():
    colours, pixels = bytearray(6_300_000), bytearray(2_100_000)
    colours[::4096], pixels[::4096] = colours[::4096], pixels[::4096]

def many():
    picture()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(20):
        picture()
    pages = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
    assert pages < 2_000, pages  # of 40,000

thread = threading.Thread(target=many)
def leave(failed):
    print(failed.exc_value, flush=True)
    __import__("os")._exit(1)
threading.excepthook = leave
thread.start()
thread.join()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
