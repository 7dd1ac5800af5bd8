"""Deletion of what no function uses in installed packages: files, texts, and imports for what is not called."""

from __future__ import annotations

import fnmatch
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

from botocore import xform_name

from chalicelib.adapters.aws import clients
from chalicelib.adapters.aws.clients import SERVICES

NEVER_OPENED = (
    # what a shell, a compiler, a type checker or a test would want
    "bin/*",
    "*/tests/*",
    "*/conftest.py",
    "*.pyi",
    "*.pxd",
    "*.pyx",
    "*.h",
    "*.a",
    "*/py.typed",
    "numpy/f2py/*",
    "numpy/testing/*",
    "numpy/_pyinstaller/*",
    "numpy/random/_examples/*",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",  # its own tests of its vector instructions
    # making and converting models; the runtime once more for programs in C, which nothing here links to
    "onnxruntime/backend/*",
    "onnxruntime/datasets/*",
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    "onnxruntime/capi/libonnxruntime.so*",
    "botocore/data/*/examples-1.json*",
    "botocore/docs/bcdoc/*",
    # What Werkzeug's server and its client for tests are made of; its reader of multipart bodies is used.
    "werkzeug/debug/*",
    "werkzeug/serving.py",
    "werkzeug/test.py",
    # Picture formats that the dialects refuse cannot even be decoded; fonts and screens.
    "PIL/_avif.*.so",
    "PIL/_imagingcms.*.so",
    "PIL/_imagingft.*.so",
    "PIL/_imagingtk.*.so",
    "PIL/_tkinter_finder.py",
)
_OF_DIST_INFO = ("METADATA", "licen[cs]e*", "copying*", "notice*", "authors*")
"""Versions and requirements are read at run time; licences stay with the code."""

_MADE_EMPTY = (
    "botocore/docs/__init__.py",  # what writes the pages of boto3's documentation
    "numpy/_core/_add_newdocs.py",  # docstrings of what is written in C
    "numpy/_core/_add_newdocs_scalars.py",
    "urllib3/http2/__init__.py",  # HTTP/2, which has to be switched on; it reads the metadata of a package for that
    "werkzeug/__init__.py",  # the server, and the client for tests
)
"""Modules that import, at each cold start, what no function calls: 9, 5, 12 and 28 ms of processor time."""

_WRITTEN = {
    # the methods of clients have no docstrings
    "botocore/docs/docstring.py": """\
def _none(*_arguments, **_named):
    return None


ClientMethodDocstring = PaginatorDocstring = WaiterDocstring = _none
""",
    # of a form's parts, headers are read, and no cookies, ranges, caches' rules or kinds that a client accepts
    "werkzeug/datastructures/__init__.py": "from .headers import Headers as Headers\n",
}
"""Modules of which other texts take the place."""

_ADDED = {
    # botocore looks at the signature of each of its own handlers, and loads `inspect` for that
    "botocore/compat.py": """

def accepts_kwargs(func):
    return True
""",
    # neither does it need `inspect` to know the functions of a query
    "jmespath/compat.py": """

def get_methods(cls):
    for name in dir(cls):
        if type(getattr(cls, name)) is type(get_methods):
            yield name, getattr(cls, name)
""",
    # numpy's decorator compares the signatures of a pair of functions, 300 times, and gives those in C docstrings
    "numpy/_core/overrides.py": """

def array_function_dispatch(dispatcher=None, module=None, verify=True, docs_from_dispatcher=False):
    def decorator(implementation):
        public_api = _ArrayFunctionDispatcher(dispatcher, implementation)
        functools.update_wrapper(public_api, implementation)
        if module is not None:
            public_api.__module__ = module
        ARRAY_FUNCTIONS.add(public_api)
        return public_api

    return decorator
""",
}
"""Texts behind a module's own."""

_CHANGED = {
    # a plain array has no mask: `unique`, and so `percentile`, would load the 7,000 lines of numpy.ma to ask
    "numpy/lib/_arraysetops_impl.py": (
        "not np.ma.is_masked(ar)",
        "(type(ar) is np.ndarray or not np.ma.is_masked(ar))",
    ),
}
"""Texts of modules, and what takes their place."""

_BOTOCORE_CALLS = {"create_session", "head_bucket"}
"""Operations that botocore calls by itself: of express buckets, and to find out a bucket's region."""

OPERATIONS = sorted(
    _BOTOCORE_CALLS.union(
        *(
            re.findall(r"client\.(\w+)", module.read_text(encoding="utf-8"))
            for module in Path(clients.__file__).parent.glob("*.py")
        )
    )
)
"""Operations that our adapters ask for. The models of services keep these."""


def prune(folder: Path) -> None:
    """Delete, below a folder that packages were installed into, what no function uses."""
    _prune_services(folder / "botocore" / "data")
    for name, text in {**dict.fromkeys(_MADE_EMPTY, ""), **_WRITTEN}.items():
        if (folder / name).is_file():
            (folder / name).write_text(text, encoding="utf-8")
    for name, text in _ADDED.items():
        if (module := folder / name).is_file():
            module.write_text(_read(module, text.strip().partition("(")[0]) + text, "utf-8")
    for name, (text, other) in _CHANGED.items():
        if (module := folder / name).is_file():
            module.write_text(_read(module, text).replace(text, other), "utf-8")
    if (tags := folder / "PIL" / "ExifTags.py").is_file():
        _prune_tags(tags)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _is_dead(path.relative_to(folder)):
            path.unlink()
    for library in _unlinked_libraries(folder):
        library.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _read(module: Path, text: str) -> str:
    """Read a module. Raises ValueError if this text is not in it: then its library has another version."""
    whole = module.read_text(encoding="utf-8")
    if text not in whole:
        raise ValueError(f"{module} has no {text!r} any more: look at what infra/prune.py writes there")
    return whole


def _prune_tags(module: Path) -> None:
    """Leave those tags of Exif that Pillow names itself: an enumeration of all 260 takes 4 ms."""
    named = {tag for one in module.parent.glob("*.py") for tag in re.findall(r"Base\.(\w+)", one.read_text("utf-8"))}
    tags, rest = module.read_text(encoding="utf-8").split("\nTAGS = ", 1)
    lines = [line for line in tags.split("\n") if not (found := re.match(r" +(\w+) = 0x", line)) or found[1] in named]
    module.write_text("\n".join([*lines, "TAGS = " + rest]), encoding="utf-8")


def _prune_services(data: Path) -> None:
    """Leave botocore's data of our services, and of their models what is asked of them, without texts.

    It looks through every service's folder when it makes a client, and reads all that is there of that service.
    """
    for service in data.glob("*/"):
        if service.name not in SERVICES:
            shutil.rmtree(service)
    for model in data.glob("*/*/service-2.json.gz"):
        whole = _without_texts(_of_operations(json.loads(gzip.decompress(model.read_bytes()))))
        model.write_bytes(gzip.compress(json.dumps(whole, separators=(",", ":")).encode(), mtime=0))
    endpoints = data / "endpoints.json"
    if endpoints.is_file():
        whole = json.loads(endpoints.read_text(encoding="utf-8"))
        for partition in whole["partitions"]:
            partition["services"] = {name: of for name, of in partition["services"].items() if name in SERVICES}
        endpoints.write_text(json.dumps(whole, separators=(",", ":")), encoding="utf-8")


def _of_operations(model: dict[str, Any]) -> dict[str, Any]:
    """Leave OPERATIONS of a service's model, and the shapes that they name or that shapes of theirs name."""
    operations = {name: of for name, of in model["operations"].items() if xform_name(name) in OPERATIONS}
    names: set[str] = set()
    more = _named_shapes(operations)
    while more:
        names |= more
        more = _named_shapes([model["shapes"][name] for name in more]) - names
    return {**model, "operations": operations, "shapes": {name: model["shapes"][name] for name in sorted(names)}}


def _named_shapes(part: Any) -> set[str]:
    return set(re.findall(r'"shape": "(\w+)"', json.dumps(part)))


def _without_texts(model: Any) -> Any:
    """Empty the texts of a service's model. What is no string under this name is a parameter of an operation."""
    match model:
        case dict():
            return {name: "" if _is_text(name, of) else _without_texts(of) for name, of in model.items()}
        case list():
            return [_without_texts(of) for of in model]
    return model


def _is_text(name: str, of: Any) -> bool:
    return name == "documentation" and isinstance(of, str)


def _is_dead(path: Path) -> bool:
    if path.parts[0].endswith(".dist-info"):
        licences = "licenses" in path.parts
        return not licences and not any(fnmatch.fnmatch(path.name.lower(), kept.lower()) for kept in _OF_DIST_INFO)
    return any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in NEVER_OPENED)


def _unlinked_libraries(folder: Path) -> set[Path]:
    """Libraries that wheels bring along (in `<package>.libs`) and that nothing which stays names."""
    binaries = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".so" in path.name}
    dead: set[Path] = set()
    while True:
        alive = {path: content for path, content in binaries.items() if path not in dead}
        found = {
            path
            for path in alive
            if path.parent.name.endswith(".libs")
            and not any(path.name.encode() in content for other, content in alive.items() if other != path)
        }
        if not found:
            return dead
        dead |= found
