"""The console's modules joined into one file a folder, so that a browser asks for few files.

What main.js imports, and what that imports, is one file; of all others, those of a folder are one.
In it each module is a function with names of its own, which returns what the module exports:

    import { html } from "../html.js";         export const $shared_grid_js = (() => {
    export function Grid() {}                  const { html } = $html_js;
                                               function Grid() {}
                                               return { "Grid": Grid };
                                               })();

No parser reads them: import and export have the forms below, at the beginning of a line, or as
libraries have them that were made small. Comments that have lines of their own are left out: they
are a sixth of what a browser would load. Whatever else modules hold stays as it is. A cycle of
modules, or of files, is refused.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from graphlib import CycleError, TopologicalSorter

MAIN = "./console/main.js"
JOINED = "joined.js"
"""Name of the file of a folder's modules."""

# Each begins with letters, by which a search skips what cannot match; so a module begins with an
# empty line.
_IMPORT = re.compile(r'\nimport ?(?:(\w+)|\{([^}]*)\})\s*from ?"([^"]+)";')
_LAZY = re.compile(r'import\("([^"]+)"\)')
_NAMED = re.compile(r"\nexport (default )?((?:async )?function|const|class) (\w+)")
_UNNAMED = re.compile(r"export default (?=function\()")
_LISTED = re.compile(r"export ?\{([^}]*)\};?")
_UNREAD = re.compile(r"\n(?:import|export)\b(?!\().*")
_COMMENTS = re.compile(r"\n[ \t]*(?://.*|/\*(?:(?!\*/)[\s\S])*\*/(?=\n))")
_MAP = re.compile(r"\n//# sourceMappingURL=.*")
_THE_UNNAMED = "unnamed"
_OTHER_SIGNS = re.compile(r"\W")
_WAITS = re.compile(r"\n(?:const .* = )?await ")


def join_modules(modules: Mapping[str, str]) -> dict[str, str]:
    """Return the joined files, and unchanged the modules that no other imports.

    `modules`: texts by name.

    A name is that of a library, or begins with `./`, as JOINED's do. Raises ValueError for a module
    of another form.
    """
    texts = {name: f"\n{text}" for name, text in modules.items()}
    needs = {name: _list_imports(name, text, _IMPORT, modules) for name, text in texts.items()}
    lazy = {name: _list_imports(name, text, _LAZY, modules) for name, text in texts.items()}
    first = _reach([MAIN], needs)
    reached = _reach([MAIN], {name: [*needs[name], *lazy[name]] for name in modules})
    files = {name: _name_file(MAIN if name in first else name) for name in reached}
    order = _sort({name: needs[name] for name in reached})
    _sort(_list_needed_files(needs, files))
    joined = {
        file: _join([name for name in order if files[name] == file], file, files, texts)
        for file in dict.fromkeys(files[name] for name in order)
    }
    return joined | {name: text for name, text in modules.items() if name not in reached}


def _list_imports(
    name: str, text: str, form: re.Pattern[str], modules: Mapping[str, str]
) -> list[str]:
    """Return the names of the modules that a module imports.

    Types in comments are imported of others, too.
    """
    found = (_resolve(name, match[match.re.groups]) for match in form.finditer(text))
    return [one for one in found if one in modules or form is _IMPORT]


def _resolve(name: str, imported: str) -> str:
    if not imported.startswith("."):
        return imported
    return f"./{posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))}"


def _list_needed_files(
    needs: Mapping[str, Iterable[str]], files: Mapping[str, str]
) -> dict[str, set[str]]:
    """Return which other files a file imports, by the modules of each."""
    needed: dict[str, set[str]] = {file: set() for file in files.values()}
    for name, file in files.items():
        needed[file].update({files[need] for need in needs[name]} - {file})
    return needed


def _reach(begun: Sequence[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return these modules and all that they need, in the order in which they are met."""
    reached = [*begun]
    for name in reached:  # grows
        reached += [need for need in dict.fromkeys(needs[name]) if need not in reached]
    return reached


def _sort(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names, each behind those that it needs.

    Raises ValueError if they go round in a circle.
    """
    try:
        return [*TopologicalSorter(needs).static_order()]
    except CycleError as error:
        raise ValueError(f"these need each other: {', '.join(error.args[1])}") from None


def _name_file(name: str) -> str:
    return f"{posixpath.dirname(name)}/{JOINED}"


def _join(
    names: Sequence[str], file: str, files: Mapping[str, str], modules: Mapping[str, str]
) -> str:
    """Write a file of these modules, each behind those that it needs. `files`: of all modules."""
    elsewhere: dict[str, set[str]] = {}
    texts = []
    for name in names:
        if "import.meta" in modules[name] and _name_file(name) != file:
            raise ValueError(f"{name} says import.meta, which is another file's in {file}")
        for match in _IMPORT.finditer(modules[name]):
            need = _resolve(name, match[3])
            if need.startswith("./"):  # ours
                _require_exported(name, match, _list_exports(modules[need]))
            if files[need] != file:
                elsewhere.setdefault(files[need], set()).add(_name_value(need))
        texts.append(_write_module(name, modules[name], file, files))
    imports = [
        f'import {{ {", ".join(sorted(values))} }} from "{_relate(file, other)}";'
        for other, values in sorted(elsewhere.items())
    ]
    return "\n".join([*imports, *texts]) + "\n"


def _write_module(name: str, text: str, file: str, files: Mapping[str, str]) -> str:
    """Write a module as a function. Raises ValueError if it imports or exports in another form."""
    exports = _list_exports(text)
    inside = _IMPORT.sub(partial(_write_import, name), _COMMENTS.sub("", _MAP.sub("", text)))
    inside = _LISTED.sub(
        "", _UNNAMED.sub(f"const {_THE_UNNAMED} = ", _NAMED.sub(r"\n\2 \3", inside))
    )
    if unread := _UNREAD.search(inside):
        raise ValueError(
            f"{name} has a line that console_modules.py does not read: {unread[0].strip()}"
        )
    body = _LAZY.sub(partial(_write_lazy_import, name, file, files), inside)
    returned = ", ".join(f'"{exported}": {local}' for exported, local in exports.items())
    called = "await (async () => {" if _WAITS.search(body) else "(() => {"
    return f"export const {_name_value(name)} = {called}{body}\nreturn {{ {returned} }};\n}})();"


def _list_exports(text: str) -> dict[str, str]:
    """Return the names within a module of what it exports, by those by which others import it."""
    exports = {
        "default" if is_default else local: local for is_default, _, local in _NAMED.findall(text)
    }
    for listed in _LISTED.findall(text):
        names = (one.split(" as ") for one in listed.split(","))
        exports |= {name[-1].strip(): name[0].strip() for name in names}
    return exports | ({"default": _THE_UNNAMED} if _UNNAMED.search(text) else {})


def _require_exported(name: str, found: re.Match[str], exports: Iterable[str]) -> None:
    """Raise ValueError if a module's import at its beginning wants what another does not export.

    Exports are read as `_list_exports` does, so not the second name of `export const A = 1, B = 2`.
    What is taken of a lazy import is not looked at.
    """
    default, listed, imported = found.groups()
    wanted = ["default"] if default else [one.split(" as ")[0].strip() for one in listed.split(",")]
    if missing := {*filter(None, wanted)}.difference(exports):
        raise ValueError(f"{name} imports {', '.join(sorted(missing))} of {imported}: not exported")


def _write_import(name: str, found: re.Match[str]) -> str:
    """Write an import as what is taken of the other module's value."""
    default, listed, imported = found.groups()
    members = f"default: {default}" if default else listed.replace(" as ", ": ")
    return f"\nconst {{{members}}} = {_name_value(_resolve(name, imported))};"


def _write_lazy_import(name: str, file: str, files: Mapping[str, str], found: re.Match[str]) -> str:
    """Write an import that waits until it is needed as one of the file that the other module is
    in."""
    wanted = _resolve(name, found[1])
    if wanted not in files:  # a type in a comment
        return found[0]
    value = _name_value(wanted)
    if files[wanted] == file:
        return f"Promise.resolve({value})"
    return f'import("{_relate(file, files[wanted])}").then((file) => file.{value})'


def _name_value(name: str) -> str:
    """Return the name of the value that a module's exports are in, which no module has for a value
    of its own."""
    return f"${_OTHER_SIGNS.sub('_', name.removeprefix('./console/'))}"


def _relate(file: str, other: str) -> str:
    """Return how a file names another."""
    relative = posixpath.relpath(other, posixpath.dirname(file))
    return relative if relative.startswith(".") else f"./{relative}"
