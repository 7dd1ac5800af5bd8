from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.index.scan import build_kernel
from chalicelib.index.scan.kernel import Kernel, kernel, library_path


@pytest.mark.skipif(not library_path().is_file(), reason="no compiler made this machine's kernel")
def test_a_compiled_kernel_computes_as_numpy_does() -> None:
    assert kernel() is not None


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kernel.so").write_bytes(b"not a library")
    with pytest.raises(OSError, match=r"kernel\.so"):
        Kernel(tmp_path / "kernel.so")


def test_a_machine_without_a_compiler_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build_kernel.compilers("riscv64") in ([], build_kernel.compilers("riscv64"))
    assert all("no-such-compiler" not in command for command in build_kernel.compilers("x86_64"))
