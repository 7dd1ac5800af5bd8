"""A plugin for targets of make that promise what they show, `-p tests.support.promised`: a skipped
test fails the run.

Else a proof that lacks a library, or a file beside the checkout, would look like one that held.
"""

import pytest

from tests.support.examples import LONG

__all__ = ["LONG"]  # the profile that some of these targets choose


def pytest_sessionfinish(session: pytest.Session) -> None:
    # none in a worker of xdist
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and (skipped := len(reporter.stats.get("skipped", ()))):
        reporter.write_line(
            f"\nskipped: {skipped}. This run is a proof, so that is a failure", red=True
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
