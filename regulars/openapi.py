"""`python -m regulars.openapi --write`: docs/api/v1.yaml and v1's paths from the code, the client's
modules from that.

It says which files it wrote. Without --write the document is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

from chalicelib.api.v1.document import make_document
from chalicelib.api.v1.routes import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "api" / "v1.yaml"
_HEAD = (
    "# Written by `python -m regulars.openapi --write` from chalicelib/api/v1: change the "
    "code, not this file.\n"
)
PATHS = ROOT / "chalicelib" / "api" / "v1" / "paths.py"
_PATHS_HEAD = (
    '"""Paths of v1 by the module with their operations. `python -m regulars.openapi --write` '
    'writes\nthis."""\n\n'
)
_WIDTH = 118
"""Characters of a line of the document."""
_CODE_WIDTH = 100
"""Characters of a line of code."""
_SHORT = 90
"""Characters up to which a list stands on one line."""


class _Dumper(yaml.SafeDumper):
    """A dumper that writes short collections on one line, texts of several lines as blocks, and no
    anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _is_short(node.value)
        return node

    def represent_mapping(
        self, tag: str, mapping: Any, flow_style: bool | None = None
    ) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _is_short([part for pair in node.value for part in pair])
        return node


def _is_short(nodes: Sequence[yaml.Node]) -> bool:
    """Tell whether the nodes are plain values, and go on one line."""
    values = [node.value for node in nodes if isinstance(node, yaml.ScalarNode) or not node.value]
    return len(values) == len(nodes) and sum(len(value) + 2 for value in values) <= _SHORT


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _represent_text)


def format_document() -> str:
    """Return the document's text."""
    return _HEAD + yaml.dump(
        make_document(OPERATIONS), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )


def format_paths() -> str:
    """Return the text of chalicelib/api/v1/paths.py."""
    paths_by_module: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        paths_by_module.setdefault(operation.view.__module__.rpartition(".")[2], set()).add(
            operation.path
        )
    blocks = []
    for module, paths in sorted(paths_by_module.items()):
        path_list = " ".join(sorted(paths))
        lines = fill(
            path_list, _CODE_WIDTH, initial_indent="        ", subsequent_indent="        "
        )
        blocks.append(
            f'    "{module}": "{path_list}",\n'
            if len(path_list) < _SHORT
            else f'    "{module}": """\n{lines}\n    """,\n'
        )
    return f"{_PATHS_HEAD}PATHS = {{\n{''.join(blocks)}}}\n"


def write_changed(texts: Mapping[Path, str]) -> list[Path]:
    """Write those files whose text is another one, and return them."""
    changed = [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


def write_all() -> list[Path]:
    """Write the document, v1's paths and the client's modules, and return the files that
    changed."""
    # a script of the checkout, which the installed program lacks
    from client.generate import generate_modules

    changed = write_changed({PATH: format_document(), PATHS: format_paths()})
    return changed + write_changed(generate_modules())  # they are made of the document


if __name__ == "__main__":
    if "--write" in sys.argv:
        print(
            "\n".join(f"wrote {path.relative_to(ROOT)}" for path in write_all())
            or "nothing changed"
        )
    else:
        print(format_document(), end="")
