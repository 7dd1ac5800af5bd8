"""Measured use of each operation, as `python -m tests.metering.operations` writes it; a test holds the code to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("figures.json")


@dataclass(frozen=True)
class Use:
    """Use by one operation: DynamoDB's units, and calls by service (`dynamodb`, `s3 put`, `s3 get`, `sqs`, `kms`).

    `waits`: those calls that are waited for, one after the other. `tables`: how many tables it reads or writes.
    """

    reads: int
    writes: int
    calls: Mapping[str, int]
    waits: Mapping[str, int]
    tables: int


@dataclass(frozen=True)
class Figures:
    """All measurements of the file.

    `here_ms`: processor time by operation, on the machine of the measurements. `cold_ms`: of a cold start, by function.
    `bytes`: sizes of stored items. `memory_mb`: by function. `disk_mb`: of those with more disk than Lambda gives all.
    `standing`: counts of resources that cost without use.
    """

    used: Mapping[str, Use]
    bytes: Mapping[str, int]
    here_ms: Mapping[str, float]
    cold_ms: Mapping[str, float]
    memory_mb: Mapping[str, int]
    disk_mb: Mapping[str, int]
    standing: Mapping[str, int]


def load() -> Figures:
    document = read_json()
    used = document["used"]
    return msgspec.convert({**document, **used, "used": used["operations"]}, Figures)


def read_json() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
