"""The target of a package: a processor and a Python, as Lambda names them."""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURES = ("arm64", "x86_64")
PYTHONS = ("3.13", "3.12")

_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_ELF_MACHINES = {"arm64": 183, "x86_64": 62}
# Lambda's Python 3.12 and 3.13 run on glibc 2.34; pip takes a platform by its name, not older ones along with it.
_GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Target:
    architecture: str = ARCHITECTURES[0]
    python: str = PYTHONS[0]

    @property
    def name(self) -> str:
        return f"python{self.python}-{self.architecture}"

    @property
    def machine(self) -> str:
        """As `platform.machine()` calls the processor."""
        return _MACHINES[self.architecture]

    @property
    def elf_machine(self) -> int:
        """`e_machine` of this processor's libraries."""
        return _ELF_MACHINES[self.architecture]

    @property
    def wheel_platforms(self) -> tuple[str, ...]:
        return tuple(f"{glibc}_{self.machine}" for glibc in _GLIBC)

    @property
    def cache_tag(self) -> str:
        """As this Python names its compiled files."""
        return f"cpython-{self.python.replace('.', '')}"

    @property
    def marker_environment(self) -> dict[str, str]:
        """Return the environment markers that differ from this machine's, for reading requirements."""
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_machine": self.machine,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
