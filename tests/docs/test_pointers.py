"""Comments and docstrings name files of ours that there are, as the links of the pages do."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support.box.session import ROOT, read

NAMED = re.compile(r"(?<![\w./*{}<>:-])((?:[\w-]+/)*[\w-]{2,}\.(?:py|c|js|css))(?![\w({/])")
OF_OTHERS = {"next_gen/execute_api/header_utils.py", "index_faces.py", "search_faces.py"}
"""Files of other repositories, which stand beside their repository's name."""

HASHES = {".toml", ".yaml", ".txt", ".in", ".service", ".timer", ".conf", ""}
SLASHES = {".js": r"/\*.*?\*/|^ *//[^\n]*", ".css": r"/\*.*?\*/", ".c": r"/\*.*?\*/"}


def test_comments_name_files_that_there_are() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().splitlines()]
    files = [path for path in paths if path.is_file()]
    found = [
        (str(file.relative_to(ROOT)), named)
        for file in files
        for text in read_comments(file)
        for named in NAMED.findall(text)
    ]
    assert len(found) > 100
    ends = {end for file in files for end in ends_of(file.relative_to(ROOT))} | OF_OTHERS
    assert [one for one in found if one[1] not in ends] == []


def test_a_file_that_is_gone_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "one.c"
    source.write_text("/* gone.py's Tier names them */ int gone;")
    assert [NAMED.findall(text) for text in read_comments(source)] == [["gone.py"]]


def ends_of(path: Path) -> Iterator[str]:
    """`a/b/c.py`, `b/c.py` and `c.py` of a path `a/b/c.py`."""
    for count in range(len(path.parts)):
        yield "/".join(path.parts[count:])


def read_comments(file: Path) -> Iterator[str]:
    """The comments and docstrings of a source file; of other files nothing."""
    if file.suffix == ".py":
        yield from read_python_comments(file.read_text())
    elif file.suffix in SLASHES:
        yield from re.findall(SLASHES[file.suffix], read(file), re.DOTALL | re.MULTILINE)
    elif file.suffix in HASHES:
        text = file.read_bytes().decode(errors="replace")
        yield from re.findall(r"(?:^|\s)#.*", text)


def read_python_comments(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
