"""Pages name commands, links, folders, errors, tests and figures that there are, and no others."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from chalicelib.settings import Settings
from regulars import cli
from testing import needs
from tests.support.box.session import DOCS, ROOT, read

CONTRIBUTING = read(ROOT / "CONTRIBUTING.md")
PAGES = [
    *ROOT.glob("*.md"),
    ROOT / "lab/README.md",
    ROOT / "tests/README.md",
    *DOCS.glob("**/*.md"),
]
MAKEFILES = (ROOT / "Makefile", ROOT / "lab/Makefile")
PRIVACY = ("privacy.md", "promises.md", "stored.md", "threat-model.md")
OURS = ("chalicelib", "regulars", "edge", "client", "lab", "infra", "docs")
"""The folders of what we write: `build/` may hold a whole Debian."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_of_a_page_exist(page: Path) -> None:
    targets = {one for file in MAKEFILES for one in re.findall(r"(?m)^([a-z-]+):", read(file))}
    assert set(re.findall(r"`make (?!-C lab`)(?:-C lab )?([a-z-]+)", read(page))) <= targets
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(page)):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "\nregulars " in read(page)], ids=lambda page: page.stem
)
def test_the_commands_of_a_page_have_the_options_that_it_names(page: Path) -> None:
    lab = tomllib.loads(read(ROOT / "lab/pyproject.toml"))["project"]["entry-points"][
        "regulars.commands"
    ]
    for line in re.findall(r"^\s*regulars ([a-z].*)", read(page).replace("\\\n", ""), re.MULTILINE):
        name, *words = line.split()
        if name in lab:
            continue
        command, options = cli.commands.commands[name], {"--help"}
        while isinstance(command, click.Group):
            if command.invoke_without_command and words[0] not in command.commands:
                break
            command = command.get_command(click.Context(command), words.pop(0))
        options |= {
            one
            for parameter in command.params
            for one in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word.strip("[]") for word in words if re.match(r"\[?--[a-z]", word)} <= options, (
            line
        )


@pytest.mark.parametrize(("folder", "file"), [(".", MAKEFILES[0]), ("lab", MAKEFILES[1])])
def test_make_lists_every_target_that_says_what_it_is(folder: str, file: Path) -> None:
    said = subprocess.run(
        ["make", "--silent", "--no-print-directory", "-C", folder, "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    described = set(re.findall(r"^([a-z-]+):.*##", read(file), re.MULTILINE))
    listed = re.findall(r"^ *make (?:-C lab )?([a-z-]+) ", said, re.MULTILINE)
    assert sorted(listed) == sorted(described)
    assert len(listed) <= 16 or folder == "lab", "what a person types, not what a proof is called"


def test_a_target_of_the_labs_makefile_is_called_from_both() -> None:
    words = ["make", "--silent", "--no-print-directory", "--dry-run", "soak", "SOAK_S=3"]
    one, other = (
        subprocess.run([*words, *more], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for more in ([], ["-C", "lab"])
    )
    assert other.endswith(one)
    assert "--soak-seconds 3" in one


def test_contributing_maps_the_folders_that_there_are() -> None:
    section = CONTRIBUTING.partition("\n## Where things are\n")[2].partition("\n## ")[0]
    mapped = {Path(name) for name in re.findall(r"^\| `([\w/.]+)` \|", section, re.MULTILINE)}
    folders = {path.parent for path in ROOT.glob("*/__init__.py")} | {
        p.parent for p in ROOT.glob("chalicelib/*/*.py")
    }
    there = {folder.relative_to(ROOT) for folder in folders} - {Path("chalicelib")}
    assert there <= mapped
    assert all((ROOT / path).exists() for path in mapped)


def test_every_decision_is_in_the_list_of_decisions() -> None:
    pages = {page.name for page in DOCS.glob("decisions/[0-9]*.md")}
    assert pages == set(re.findall(r"\]\(([0-9][^)]+)\)", read(DOCS / "decisions/README.md")))


def test_every_decision_that_is_cited_is_there() -> None:
    numbers = {page.name[:4] for page in DOCS.glob("decisions/[0-9]*.md")}
    kinds = {".py", ".toml", ".yaml", ".md"}
    sources = [
        path for folder in OURS for path in (ROOT / folder).rglob("*") if path.suffix in kinds
    ]
    cited = {number for path in sources for number in re.findall(r"decisions/(\d{4})", read(path))}
    assert len(cited) > 10
    assert cited <= numbers


def test_app_stays_short() -> None:
    assert len(read(ROOT / "app.py").splitlines()) <= 80


SOURCES = (
    "chalicelib",
    "regulars",
    "edge/src",
    "client/src",
    "mqtt/src",
    "transfer/src",
    "dialects/src",
)
OF_OTHERS = {
    "Connection refused",
    "Empty reply from server",
    "Remote end closed connection without response",
    "wrong version number",
    "self-signed certificate",
    "database or disk is full",
}
"""What the system, curl, Python, OpenSSL and SQLite say: it is within ours."""


def test_every_error_of_the_page_on_trouble_is_written_by_the_code() -> None:
    written = {
        text for folder in SOURCES for file in (ROOT / folder).rglob("*.py") for text in texts(file)
    }
    rows = re.findall(r"^\| (`.*?) \| ", read(DOCS / "tasks/trouble.md"), re.MULTILINE)
    listed = {error for row in rows for error in re.findall(r"`([^`]+)`", row)}
    assert len(listed) > 30
    assert [
        error for error in sorted(listed - OF_OTHERS) if not any(error in text for text in written)
    ] == []


def texts(file: Path) -> Iterator[str]:
    """The strings of a module; what an f-string fills in is `…`."""
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str | bytes)
            and id(node) not in told
        ):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )


def tables(page: str) -> Iterator[list[list[str]]]:
    """The tables of a page, rows of cells, the head first."""
    for block in re.findall(r"(?:^\|.*\|\n)+", read(DOCS / page), re.MULTILINE):
        rows = [
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()
        ]
        yield [rows[0], *rows[2:]]


CLAIMS = [
    (row[0], row[-1])
    for page in PRIVACY
    for table in tables(page)
    for row in table[1:]
    if "proved by" in table[0][-1]
]
"""The claims of the pages on privacy, each with what proves it."""


@cache
def functions(file: str) -> set[str]:
    return {
        one.name
        for one in ast.walk(ast.parse(read(ROOT / file)))
        if isinstance(one, ast.FunctionDef)
    }


@pytest.mark.parametrize(("claim", "proof"), CLAIMS, ids=lambda text: text[:60])
def test_each_claim_on_privacy_names_tests_that_there_are(claim: str, proof: str) -> None:
    named = re.findall(r"`([^`]+\.py)::(test_\w+)`", proof)
    assert named, f"{claim!r} names no test"
    assert proof.count("`") == 2 * len(named), "nothing else stands there"
    for file, function in named:
        assert function in functions(file), f"there is no {file}::{function}"


def test_there_are_claims_of_every_kind() -> None:
    kinds = {claim.partition(":")[0] for claim, _ in CLAIMS}
    assert set("STRIDE") <= kinds
    assert {
        "linking",
        "identifying",
        "non-repudiation",
        "detecting",
        "unawareness",
        "non-compliance",
    } <= kinds


def test_the_page_on_privacy_says_how_long_pictures_of_captures_are_kept() -> None:
    assert f"`REGULARS_CAPTURE_DAYS`: {Settings(Path()).capture_days} days" in read(
        DOCS / "stored.md"
    )


@pytest.mark.parametrize("page", [*PRIVACY, "dpia.md"])
def test_each_page_on_privacy_says_where_it_ends(page: str) -> None:
    assert re.search(r"no\s+legal\s+advice|not covered", read(DOCS / page))


def test_contributing_names_what_else_all_tests_need() -> None:
    assert f"\n{needs.INSTALL}\n" in CONTRIBUTING


def test_the_list_of_all_pages_has_each_page_of_the_site() -> None:
    listed = set(re.findall(r"\]\(([^)#]+\.md)\)", read(DOCS / "contents.md")))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.glob("**/*.md")}
    alone = {page for page in pages if re.match(r"decisions/0|lab/[a-z]", page)} | {"contents.md"}
    assert pages - alone <= listed


def test_what_the_gate_runs_takes_nothing_from_beside_the_checkout() -> None:
    """A stranger has nothing there. What needs it is in the lab."""
    folders = ("tests", "edge", "client", "chalicelib", "regulars")
    files = [
        file
        for folder in folders
        for file in ROOT.glob(f"{folder}/**/*.py")
        if file != Path(__file__)
    ]
    beside = re.compile(r"/ \"shared\"|Path\(\"shared\"")
    assert len(files) > 500
    assert [str(file.relative_to(ROOT)) for file in files if beside.search(read(file))] == []
