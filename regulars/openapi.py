"""`python -m regulars.openapi --write`: docs/api/v1.yaml and v1's paths from the code, the client's modules from that.

Without --write the document is printed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

from chalicelib.doors.v1.document import document
from chalicelib.doors.v1.routes import OPERATIONS

PATH = Path(__file__).resolve().parents[1] / "docs" / "api" / "v1.yaml"
_HEAD = "# Written by `python -m regulars.openapi --write` from chalicelib/doors/v1: change the code, not this file.\n"
PATHS = PATH.parents[2] / "chalicelib" / "doors" / "v1" / "paths.py"
_PATHS_HEAD = (
    '"""Paths of v1 by the module with their operations. `python -m regulars.openapi --write` writes this."""\n\n'
)
_WIDTH = 118
_SHORT = 90


class _Dumper(yaml.SafeDumper):
    """A dumper that writes short collections on one line, texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _is_short(node.value)
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _is_short([part for pair in node.value for part in pair])
        return node


def _is_short(nodes: Sequence[yaml.Node]) -> bool:
    """Tell whether the nodes are plain values, and go on one line."""
    values = [node.value for node in nodes if isinstance(node, yaml.ScalarNode) or not node.value]
    return len(values) == len(nodes) and sum(len(value) + 2 for value in values) <= _SHORT


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def format_document() -> str:
    """Return the document's text."""
    return _HEAD + yaml.dump(document(OPERATIONS), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def written_paths() -> str:
    """Return the text of chalicelib/doors/v1/paths.py."""
    modules: dict[str, set[str]] = {}
    for one in OPERATIONS:
        modules.setdefault(one.view.__module__.rpartition(".")[2], set()).add(one.path)
    blocks = []
    for module, paths in sorted(modules.items()):
        listed = " ".join(sorted(paths))
        lines = fill(listed, _WIDTH, initial_indent="        ", subsequent_indent="        ")
        blocks.append(
            f'    "{module}": "{listed}",\n' if len(listed) < _SHORT else f'    "{module}": """\n{lines}\n    """,\n'
        )
    return f"{_PATHS_HEAD}PATHS = {{\n{''.join(blocks)}}}\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PATH.write_text(format_document(), encoding="utf-8")
        PATHS.write_text(written_paths(), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "client.generate"], cwd=PATH.parents[2], check=True)
    else:
        print(format_document(), end="")
