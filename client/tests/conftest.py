from testing.folders import pytest_configure, tmp_path

__all__ = ["pytest_configure", "tmp_path"]
