"""Measure of all that AWS charges for in each operation: units, calls, bytes, and processor time if
models run.

    python -m regulars_lab.rigs.operations            what is used, beside the committed figures
    python -m regulars_lab.rigs.operations --write    commit it (figures.json);
                                                      with --cold FILE, cold starts, too

Each operation goes through the application as it does on AWS (HTTP event, SQS message, schedule),
on the embedded storage with a meter on it, as the second of its kind in a warm process. Units,
calls and bytes are the same in every run, and a test holds the committed ones to them; times are
measured by this command only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from chalice.app import SQSEventConfig

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.telemetry import UNITS
from infra import template
from infra.alarms import HAS_TOPIC
from regulars_lab.rigs.stage import open_stage
from regulars_lab.rigs.stand_ins import Eyes, Photos, draw_picture

FIGURES = Path(__file__).with_name("figures.json")


def main() -> None:
    parser = argparse.ArgumentParser(
        "regulars_lab.rigs.operations", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument(
        "--cold", type=Path, help="what `python -m regulars_lab.bench.cold_start --json FILE` wrote"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        used = measure_operations(Path(folder))
    committed = json.loads(FIGURES.read_text())
    print(json.dumps(used, indent=2))
    print("as committed" if used == committed.get("used") else "NOT as committed")
    if arguments.cold:
        committed["cold_ms"] = cold_ms(json.loads(arguments.cold.read_text()))
    if arguments.write:
        with tempfile.TemporaryDirectory() as folder:
            here_ms = measured_ms(Path(folder))
        print(json.dumps(here_ms, indent=2))
        FIGURES.write_text(
            json.dumps({**committed, "used": used, "here_ms": here_ms}, indent=2) + "\n"
        )


def measure_operations(folder: Path) -> dict[str, Any]:
    """By operation: `reads` and `writes` in DynamoDB's units, `calls` and `waits` by service.

    Under `bytes`: items'.
    """
    with open_stage(folder, Eyes(), draw_picture) as stage:
        used = {name: stage.second_of(operation) for name, operation in stage.operations.items()}
        used["build_index"] = stage.snapshot()
        return {"operations": used, "bytes": stage.bytes(), **read_deployment()}


def cold_ms(cases: list[dict[str, Any]]) -> dict[str, int]:
    """Processor time of a start by function; one that recognises pays for the models at its first
    picture."""
    of_case = {case["name"]: round(case["cpu_ms"]) for case in cases}
    recognising = of_case["api: first recognition"]
    others = {
        name: of_case[name] for name in ("search", "build_index", "sweep", "deliver", "watch")
    }
    return {"api_handler": recognising, "ingest": recognising, **others}


def read_deployment() -> dict[str, dict[str, int]]:
    """Read from the template what is charged for: functions' memory, and resources that cost even
    if unused."""
    import app

    whole = template.join_parts()
    kinds = Counter(resource.get("Type", "") for resource in whole["Resources"].values())
    told = sum(resource.get("Condition") == HAS_TOPIC for resource in whole["Resources"].values())
    stages = json.loads((template.FOLDER.parent / ".chalice" / "config.json").read_text())[
        "stages"
    ].values()
    functions = {name: said for stage in stages for name, said in stage["lambda_functions"].items()}
    properties = {
        name: whole["Resources"][inside]["Properties"]
        for name, inside in template.list_functions().items()
    }
    disk_mb = whole["Parameters"]["SearchDisk"]["Default"]
    return {
        "memory_mb": {name: said["lambda_memory_size"] for name, said in functions.items()},
        "disk_mb": {
            name: disk_mb for name, said in properties.items() if "EphemeralStorage" in said
        },
        "standing": {
            "pollers": sum(isinstance(source, SQSEventConfig) for source in app.app.event_sources),
            "keys": kinds["AWS::KMS::Key"],
            "alarms": kinds["AWS::CloudWatch::Alarm"] - told,
            "alarms_told": told,
            "dashboards": kinds["AWS::CloudWatch::Dashboard"],
            "metrics": len(UNITS),
        },
    }


def measured_ms(folder: Path, repeat: int = 5) -> dict[str, float]:
    """By operation: processor time in milliseconds, the least of some, of real pictures through the
    real models.

    Processor time, since machines wait for other things; the models run on one thread. The
    storage's part in it (SQLite here, the AWS client there) is small beside the models'.
    """
    with open_stage(folder, FacePipeline(packs.find(None)), Photos()) as stage:
        return {
            name: stage.least_ms(operation, repeat) for name, operation in stage.operations.items()
        }


if __name__ == "__main__":
    main()
