import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.book.search.scan import build_kernel
from chalicelib.book.search.scan.scan import Kernel, library_path, load_kernel

AGREES = """
import sys
from pathlib import Path

from chalicelib.book.search.scan.scan import Kernel, _is_exact

sys.exit(not _is_exact(Kernel(Path(sys.argv[1]))))
"""


@pytest.mark.skipif(not library_path().is_file(), reason="no compiler made this machine's kernel")
def test_a_compiled_kernel_computes_as_numpy_does() -> None:
    assert load_kernel() is not None


@pytest.mark.parametrize(
    "compiler", build_kernel.compilers(platform.machine()), ids=lambda one: Path(one[0]).name
)
def test_a_kernel_takes_the_best_path_of_the_processor_whatever_compiled_it(
    compiler: list[str], tmp_path: Path
) -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        pytest.skip("the system does not say what its processor can do")
    build_kernel.compile_with(compiler, tmp_path / "kernel.so")
    path = ctypes.CDLL(str(tmp_path / "kernel.so")).regulars_kernel_path
    path.restype = ctypes.c_char_p
    able = set(cpuinfo.read_text().split())
    paths = {
        "vnni": {"avx512bw", "avx512vl", "avx512_vnni"},
        "avx2": {"avx2"},
        "dotprod": {"asimddp"},
        "plain": set(),
    }
    assert path().decode() == next(name for name, needed in paths.items() if needed <= able)


@pytest.mark.parametrize("watched", [[], ["-fstack-protector-all"]], ids=["", "watched"])
@pytest.mark.parametrize(
    "compiler", build_kernel.compilers(platform.machine()), ids=lambda one: Path(one[0]).name
)
def test_a_kernel_computes_as_numpy_does_whatever_compiled_it(
    compiler: list[str], watched: list[str], tmp_path: Path
) -> None:
    """In a process of its own, which ends if the kernel writes past its memory."""
    assert build_kernel.compile_with([*compiler, *watched], tmp_path / "kernel.so")
    done = subprocess.run([sys.executable, "-c", AGREES, str(tmp_path / "kernel.so")], check=False)
    assert done.returncode == 0


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kernel.so").write_bytes(b"not a library")
    with pytest.raises(OSError, match=r"kernel\.so"):
        Kernel(tmp_path / "kernel.so")


def test_a_machine_without_a_compiler_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build_kernel.compilers("riscv64") in ([], build_kernel.compilers("riscv64"))
    assert all("no-such-compiler" not in command for command in build_kernel.compilers("x86_64"))
