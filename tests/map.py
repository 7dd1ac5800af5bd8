"""The way of a request through the code: its modules in order, and what it reads, decides and
writes there.

    python -m tests.map            prints four ways
    python -m tests.map --terms    prints the first, and below each step the meaning of words
                                   that are met there for the first time
    python -m tests.map --write    writes the first into CONTRIBUTING.md, and draws it for README

Each is followed as it runs, on the embedded storage; eyes alone are fakes (tests/support/fakes.py).
What everybody uses is left out: words, records and storage. A module stands where it is entered
first, and where it reads, decides or writes. A decision is what a function of the rules returns, if
the rules define its type.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field

from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Profile
from chalicelib.storage import keys
from tests.support.api.compreface.client import Client
from tests.support.api.stage import make_stage
from tests.support.book.book import Book, Shot, shot
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeVision, Person, picture

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
PICTURE = ROOT / "docs" / "pictures" / "capture.svg"
KNOWN = "a capture with a known face"
NEW = "a capture with a new stranger"
ENROLMENT = "an enrolment by CompreFace"
RECOGNITION = "a recognition by CompreFace"
_BLOCK = re.compile(r"(<!-- python -m tests.map --write -->\n```\n).*?(```\n)", re.DOTALL)
_LEFT_OUT = re.compile(
    r"^(domain/(?!rules/)|storage/|http_client/|privacy/(audit_entries|data_map|signing)\.py|"
    r"(book/(book|machinery)|bootstrap|lazy|services?|"
    r"settings|slots|telemetry|open_storage)\.py)"
)
_STORAGE = ("chalicelib.storage.box.", "chalicelib.storage.limits", "chalicelib.storage.in_process")
_IN_STORAGE, _RULES = "storage", "domain/rules/"
_READS = ("get", "get_many", "get_each", "query", "scan", "size", "get_range", "walk")
_WRITES = ("transact", "put_if_absent", "replace", "delete")


class Step(Struct):
    """A module on the way.

    `function`: the first that is called in it, or the one that decides; `does`: there.
    """

    module: str
    function: str
    does: list[str] = field(default_factory=list)


class Way(Struct):
    """The steps of a request.

    `frames`: the module of each call that has not ended; "": none that is shown.
    """

    steps: list[Step] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)

    def note(self, frame: FrameType, event: str, value: object) -> None:
        """Note a call, or the end of one: a function for `sys.setprofile`."""
        if event == "call":
            self.frames.append(self._enter(frame))
        elif event == "return" and self.frames:
            self.frames.pop()
            function, decision = frame.f_code.co_qualname, name_decision(value)
            is_asked = bool(self.frames) and not self.frames[-1].startswith(_RULES)
            if (
                is_asked
                and decision
                and is_rule(frame.f_globals["__name__"])
                and "." not in function
            ):
                self._add(name_module(frame), f"decides: {decision}", function)

    def _enter(self, frame: FrameType) -> str:
        """Return the module of a call, "" if it is not shown; `_IN_STORAGE` if it is one to
        storage."""
        module, name = name_module(frame), frame.f_code.co_name
        if frame.f_globals["__name__"].startswith(_STORAGE) and name in (*_READS, *_WRITES):
            callers = [caller for caller in self.frames if caller]
            if callers and _IN_STORAGE not in callers:
                self._add(callers[-1], describe_call(name, frame.f_locals))
            return _IN_STORAGE
        if module and "<" not in name and all(step.module != module for step in self.steps):
            self.steps.append(Step(module, frame.f_code.co_qualname))
        return module

    def _add(self, module: str, what: str, function: str = "") -> None:
        if self.steps[-1].module != module or function:
            self.steps.append(Step(module, function))
        self.steps[-1].does.append(what)

    def sum_up(self) -> str:
        """Count modules, reads and writes, as `25 modules, 7 reads, 2 writes`."""
        verbs = [deed.partition(" ")[0] for step in self.steps for deed in step.does]
        modules = len({step.module for step in self.steps})
        return f"{modules} modules, {verbs.count('reads')} reads, {verbs.count('writes')} writes"

    def write(self) -> str:
        """Return the way as lines of a table."""
        lines = (
            f"{step.module:32}{step.function:40}{'; '.join(step.does)}".rstrip()
            for step in self.steps
        )
        return "\n".join(lines) + "\n"


def is_rule(module: str) -> bool:
    return module.startswith("chalicelib.domain.rules.")


def name_decision(value: object) -> str:
    """Name the type of what a rule decided, or the first of it; "" if the rules define none."""
    if isinstance(value, list) and value:
        return name_decision(value[0])
    return type(value).__name__ if is_rule(type(value).__module__) else ""


def name_module(frame: FrameType) -> str:
    """Name the module of a frame as the lists in CONTRIBUTING.md do; "" if it is none that is
    shown."""
    if frame.f_code.co_qualname.startswith(f"{FakeVision.__name__}."):
        return "book/vision"
    _, found, path = frame.f_code.co_filename.partition(f"{ROOT}/chalicelib/")
    return "" if not found or _LEFT_OUT.search(path) else path.removesuffix(".py")


def describe_call(name: str, given: Mapping[str, Any]) -> str:
    """Say what a call of storage reads or writes: `reads faces, arrivals`, `writes a picture`."""
    verb = "reads" if name in _READS else "writes"
    if "actions" in given:
        what = dict.fromkeys(action.table.name for action in given["actions"])
    elif "table_keys" in given:
        what = dict.fromkeys(table.name for table, _ in given["table_keys"])
    else:
        what = {given["table"].name if "table" in given else "a picture": None}
    return f"{verb} {', '.join(what)}"


def follow(request: Callable[[], object]) -> Way:
    """Run a request, and return its way."""
    way, before = Way(), sys.getprofile()
    sys.setprofile(way.note)
    try:
        request()
    finally:
        sys.setprofile(before)
    return way


def follow_all(folder: Path) -> dict[str, Way]:
    """Return the way of each request, by its name: the second of its kind, since the first fills
    caches."""
    book = Book(folder)
    services = book.services
    services.webhooks.hooks.add("shop", "http://127.0.0.1:9011/x")

    def take(shot: Shot) -> Callable[[], object]:
        capture = book.put(shot)
        key = quote(keys.capture_picture("shop", capture.camera_id, capture.id))
        message = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}]}
        return lambda: services.sightings.ingest.take_message(json.dumps(message))

    services.tenants.add("home", Profile.CLOUD, KEEPING)
    home = services.tenants.get_by_name("home")
    services.groups.create(home, "family", None, "")
    group = services.groups.get_by_name(home, "family")
    key = add_service_key(services, home, "recognition", "recognition", group.id)
    client = Client(make_stage(services).app, key)
    for seed in (1, 2):
        take(shot(600 * seed, seed))()
        client.add(f"Person {seed}", picture(Person(seed)))
        client.named(picture(Person(seed)))
    third, second = picture(Person(3)), picture(Person(2))
    ways = {
        KNOWN: follow(take(shot(1800, 1))),
        NEW: follow(take(shot(1900, 3))),
        ENROLMENT: follow(lambda: client.add("Person 3", third)),
        RECOGNITION: follow(lambda: client.named(second)),
    }
    book.close()
    return ways


def read_glossary() -> dict[str, str]:
    """Return the meaning of each word of the glossary.

    A row may have two, as `| probe, gallery | what is searched for; what it is compared with |`.
    """
    meaning_by_word = {}
    for line in GLOSSARY.read_text("utf-8").splitlines():
        row = re.fullmatch(r"\| (.+?) \| (.+) \|", line)
        if row and row[1] != "word":
            words, meanings = row[1].split(", "), row[2].split("; ")
            is_one_each = len(words) == len(meanings)
            each = meanings if is_one_each else [row[2]] * len(words)
            meaning_by_word |= dict(zip(words, each, strict=True))
    return meaning_by_word


def read_module(step: Step) -> ast.Module:
    path = ROOT / "chalicelib" / step.module
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8"))


def find_function(step: Step, module: ast.AST) -> ast.FunctionDef | None:
    """Find the function that a step names; None: it names none, or one that is not in its module,
    as a fake's."""
    found: ast.AST | None = module
    for name in step.function.split("."):
        inside = ast.iter_child_nodes(found) if found else ()
        found = next((node for node in inside if getattr(node, "name", "") == name), None)
    return found if isinstance(found, ast.FunctionDef) else None


def list_classes(step: Step, module: ast.Module, function: ast.FunctionDef) -> Iterator[type]:
    """Yield the classes of ours that a function's lines name, its types among them.

    Errors are left out: their names say what they are.
    """
    own = f"chalicelib.{step.module.replace('/', '.')}"
    home_by_name = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            home, name = home_by_name.get(node.id, (own, node.id))
            named = getattr(importlib.import_module(home), name, None)
            is_class = isinstance(named, type) and not issubclass(named, Exception)
            if is_class and named.__module__.startswith("chalicelib."):
                yield named


def list_terms(step: Step, glossary: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the terms of a step with their meanings: words of the glossary that its function's
    docstring has, and classes of ours that the function names."""
    module = read_module(step)
    function = find_function(step, module)
    if function is None:
        return
    docstring = (ast.get_docstring(function) or "").lower()
    for word, meaning in glossary.items():
        if re.search(rf"\b{re.escape(word.lower())}s?\b", docstring):
            yield word, meaning
    for named in list_classes(step, module, function):
        yield named.__name__, " ".join((inspect.getdoc(named) or "").split("\n\n")[0].split())


def write_terms(way: Way) -> str:
    """Return the way as lines, and below each step its terms that no step before has: a reading
    list."""
    glossary, met, lines = read_glossary(), set[str](), []
    for step in way.steps:
        if step.function:
            lines.append(f"{step.module:32}{step.function}")
        for term, meaning in list_terms(step, glossary):
            if term not in met:
                met.add(term)
                lines.append(f"    {term}: {meaning}")
    return "\n".join(lines) + "\n"


def write_page(text: str, way: Way) -> str:
    """Return CONTRIBUTING.md with this way in it."""
    return _BLOCK.sub(lambda found: found[1] + way.write() + found[2], text)


PLACES = (
    ("camera", "RTSP, ONVIF,", "or it posts"),
    ("edge", "uploader:", "best shots"),
    ("S3", "box:", "a folder"),
    ("SQS", "box:", "SQLite"),
    ("Lambda", "box: threads", "the code below"),
    ("DynamoDB", "box: SQLite", "the book"),
    ("answers", "API, console,", "hooks, MQTT"),
)
"""Through what a capture goes: on AWS, and below it what stands there on one box."""
_WIDTH, _STEP, _HEIGHT = 960, 134, 230


def draw_picture(way: Way) -> str:
    """Draw a capture's way as SVG, on a dark ground that suits light pages, too.

    Its packages are those of the way, in their order, each once.
    """
    packages = list(dict.fromkeys("/".join(step.module.split("/")[:2]) for step in way.steps))
    half = (len(packages) + 1) // 2
    lines = [packages[:half], packages[half:]]
    text = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="ui-monospace, monospace" '
        'font-size="13" fill="#d5dee2" role="img" aria-labelledby="way">',
        '  <title id="way">The way of a capture: camera, uploader, S3, SQS, Lambda, DynamoDB, '
        "answers</title>",
        f'  <rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="#1c2a30"/>',
        '  <g text-anchor="middle">',
    ]
    for number, (name, *below) in enumerate(PLACES):
        left = 18 + number * _STEP
        text += [
            f'  <rect x="{left}" y="24" width="118" height="84" rx="8" '
            'fill="#26363d" stroke="#6fd0a0"/>',
            f'  <text x="{left + 59}" y="50" font-weight="600">{name}</text>',
            f'  <text x="{left + 59}" y="76" fill="#8fa3ad">{below[0]}</text>',
            f'  <text x="{left + 59}" y="94" fill="#8fa3ad">{below[1]}</text>',
        ]
        if number:
            text.append(f'  <text x="{left - 8}" y="71" fill="#6fd0a0">→</text>')
    text.append(
        f'  <text x="{_WIDTH // 2}" y="146" fill="#8fa3ad">chalicelib, the same in both: '
        f"{way.sum_up().partition(',')[0]} for a known face</text>"
    )
    for number, line in enumerate(lines):
        text.append(f'  <text x="{_WIDTH // 2}" y="{180 + 26 * number}">{" → ".join(line)}</text>')
    return "\n".join([*text, "  </g>", "</svg>"]) + "\n"


def main() -> None:
    """Print the ways, or write the first into CONTRIBUTING.md and its picture."""
    with tempfile.TemporaryDirectory() as folder:
        ways = follow_all(Path(folder))
    if "--write" in sys.argv:
        PAGE.write_text(write_page(PAGE.read_text("utf-8"), ways[KNOWN]), "utf-8")
        PICTURE.write_text(draw_picture(ways[KNOWN]), "utf-8")
        return
    if "--terms" in sys.argv:
        print(write_terms(ways[KNOWN]))
        return
    for name, way in ways.items():
        print(f"{name}: {way.sum_up()}\n\n{way.write()}")


if __name__ == "__main__":
    main()
