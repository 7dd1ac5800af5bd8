from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.index.scan import build_kernel
from chalicelib.index.scan.kernel import CompiledKernel, Kernel, SimsimdKernel, kernel

KERNELS = [kernel(), SimsimdKernel()]


@pytest.mark.parametrize("arithmetic", KERNELS, ids=lambda one: one.name)
@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 40), st.sampled_from([-(2**31), -5000, 0, 5000]))
def test_sums_are_those_of_whole_numbers(arithmetic: Kernel, seed: int, width: int, rows: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(-127, 128, (rows, 32 * width), dtype=np.int8)
    query = random.choice(np.array([-127, 127, 0, 1], dtype=np.int8), 32 * width)
    right = codes.astype(np.int64) @ query.astype(np.int64)
    begin, end = sorted(random.integers(0, rows + 1, 2).tolist())

    numbers, sums = arithmetic.scan(codes, begin, end, query, cut)
    picked = random.integers(0, rows, 7).astype(np.int32)

    wanted = [row for row in range(begin, end) if right[row] >= cut]
    assert numbers.tolist() == wanted
    assert sums.tolist() == right[wanted].tolist()
    assert arithmetic.pick(codes, picked, query).tolist() == right[picked].tolist()


def test_the_largest_sums_do_not_overflow() -> None:
    for arithmetic in KERNELS:
        codes = np.full((5, 1024), 127, dtype=np.int8)
        for sign in (1, -1):
            query = np.full(1024, sign * 127, dtype=np.int8)
            assert arithmetic.scan(codes, 0, 5, query, -(2**31))[1].tolist() == [sign * 1024 * 127 * 127] * 5


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kernel.so").write_bytes(b"not a library")
    with pytest.raises(OSError, match=r"kernel\.so"):
        CompiledKernel(tmp_path / "kernel.so")


def test_a_machine_without_a_compiler_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build_kernel.compilers("riscv64") in ([], build_kernel.compilers("riscv64"))
    assert all("no-such-compiler" not in command for command in build_kernel.compilers("x86_64"))
