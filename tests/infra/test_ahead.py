"""Modules that wait until a cold start needs them (chalicelib/ahead.py), each tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATER = """
import sys
before = set(sys.modules)
from chalicelib import ahead
import dataclasses, inspect, pickle, shutil
from concurrent.futures import ThreadPoolExecutor
assert not {"dis", "_compat_pickle", "bz2"} & (set(sys.modules) - before)
"""


@pytest.mark.parametrize(
    "used",
    [
        "assert pickle.loads(pickle.dumps([1])) == [1]; import pickle as whole; assert whole.dumps is pickle.dumps",
        "from shutil import copyfileobj; assert copyfileobj is shutil.copyfileobj",
        "assert str(inspect.signature(lambda a: a)) == '(a)'",
        "def told(a: 'int'): ...\nassert inspect.get_annotations(told, eval_str=True) == {'a': int}",
        "class Told: a: 'int'\nassert inspect.get_annotations(Told, eval_str=True) == {'a': int}",
        "class Told: a: int\nassert inspect.get_annotations(Told) == {'a': int}\nassert 'dis' not in sys.modules",
        "import jmespath.exceptions; assert jmespath.search('a.b', {'a': {'b': 3}}) == 3",
        "from jmespath.exceptions import JMESPathError as told; import jmespath.compat\n"
        "try: jmespath.compile('a[')\nexcept told: pass",
        "with ThreadPoolExecutor(8) as pool: assert len({*pool.map(lambda _: id(pickle.dumps), 8 * '.')}) == 1",
    ],
)
def test_a_module_that_waits_is_there_when_it_is_used(used: str) -> None:
    subprocess.run([sys.executable, "-c", LATER + used], check=True)
