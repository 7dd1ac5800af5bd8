import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import botocore
import pytest
import urllib3
import werkzeug

from chalicelib.api.dialects import list_entry_points
from chalicelib.storage.aws.clients import SERVICES
from infra import bundle, dependencies, package
from infra.target import ARCHITECTURES, Target, run_for_output

AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # where nobody listens
    "AWS_MAX_ATTEMPTS": "1",
}
LEFT = """
import sys

from botocore.exceptions import EndpointConnectionError
from chalicelib.storage.aws.clients import SERVICES, open_aws_client
from chalicelib.api.multipart import parse_parts

CALLS = {
    "dynamodb": ("get_item", {"TableName": "t" * 3, "Key": {"a": {"S": "b"}}}),
    "kms": ("decrypt", {"CiphertextBlob": b"x"}),
    "lambda": ("invoke", {"FunctionName": "f"}),
    "s3": ("head_object", {"Bucket": "bucket", "Key": "k"}),
    "sqs": ("send_message", {"QueueUrl": "http://127.0.0.1:9/q", "MessageBody": "m"}),
}
assert set(CALLS) == set(SERVICES)
for service, (operation, parameters) in CALLS.items():
    try:
        getattr(open_aws_client(service), operation)(**parameters)
    except EndpointConnectionError:
        continue
    raise SystemExit(f"{service} reached somebody")
assert open_aws_client("sqs").exceptions.ReceiptHandleIsInvalid
head = b'Content-Disposition: form-data; name="image"; filename="a.jpg"'
form = b"--b\\r\\n" + head + b"\\r\\n\\r\\nxyz\\r\\n--b--\\r\\n"
(part,) = parse_parts(form, b"b", "utf-8")
assert (part.name, part.filename, part.data) == ("image", "a.jpg", b"xyz")
for library in ("botocore", "urllib3", "werkzeug"):
    assert sys.modules[library].__file__.startswith(sys.argv[1]), library
"""
"""Clients sign and send, and a body of several parts can be read, without what the package leaves
out."""


def files(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_what_no_function_opens_is_dropped_with_the_folders_it_leaves_empty(tmp_path: Path) -> None:
    kept = [
        "numpy/linalg.py",
        "numpy/typing/__init__.py",
        "numpy-2.dist-info/METADATA",
        "top.py",
        "PIL/_imaging.x.so",
    ]
    dropped = [
        "numpy/core/tests/test_it.py",
        "numpy/__init__.pyi",
        "numpy/f2py/deep/er.py",
        "numpy/core/x.h",
    ]
    leftovers = ["PIL/_avif.x.so", "onnxruntime/tools/a.py"]
    files(tmp_path, dict.fromkeys([*kept, *dropped, *leftovers], b""))
    dependencies.prune_folder(tmp_path)
    assert sorted(bundle.list_files_below(tmp_path)) == sorted(kept)
    assert not (tmp_path / "numpy" / "f2py").exists()


def test_a_library_stays_for_as_long_as_something_that_stays_links_to_it(tmp_path: Path) -> None:
    contents = {
        "PIL/_imaging.x.so": b"needs libjpeg-1.so and libtiff-1.so",
        "PIL/_avif.x.so": b"needs libavif-1.so",
        "pillow.libs/libjpeg-1.so": b"",
        "pillow.libs/libtiff-1.so": b"needs libz-1.so",
        "pillow.libs/libz-1.so": b"",
        "pillow.libs/libavif-1.so": b"needs libyuv-1.so",
        "pillow.libs/libyuv-1.so": b"",
        "pillow.libs/libfreetype-1.so": b"needs libharfbuzz-1.so",
        "pillow.libs/libharfbuzz-1.so": b"needs libfreetype-1.so",
    }
    files(tmp_path, contents)
    dependencies.prune_folder(tmp_path)
    gone = {
        "PIL/_avif.x.so",
        *(f"pillow.libs/lib{name}-1.so" for name in ("avif", "yuv", "freetype", "harfbuzz")),
    }
    assert set(bundle.list_files_below(tmp_path)) == contents.keys() - gone


def test_the_same_content_is_the_same_bytes_whenever_and_however_it_was_written(
    tmp_path: Path,
) -> None:
    one = files(tmp_path / "one", {"b": b"2", "a/c": b"1"})
    two = files(tmp_path / "two", {"a/c": b"1", "b": b"2"})
    os.utime(one / "b", (1, 1))
    (two / "b").chmod(0o600)
    for folder in (one, two):
        bundle.write_archive(tmp_path / f"{folder.name}.zip", bundle.list_files_below(folder))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_installed_dialects_are_copied_with_their_entry_points(tmp_path: Path) -> None:
    package.copy_dialects(tmp_path)
    assert list_entry_points([str(tmp_path)]) == list_entry_points(sys.path)
    assert (tmp_path / "regulars_dialects" / "rekognition" / "routes.py").is_file()
    assert not (tmp_path / "chalicelib").exists()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_target_is_named_as_each_tool_wants_it(architecture: str) -> None:
    target = Target(architecture)
    assert f"manylinux_2_28_{target.machine}" in target.wheel_platforms


def test_modules_are_compiled_and_not_compared_with_their_source_at_an_import(
    tmp_path: Path,
) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    dependencies.compile_modules(tmp_path, Path(sys.executable))
    [compiled] = tmp_path.glob("__pycache__/module.*.pyc")
    assert compiled.read_bytes()[4:8] == bytes((1, 0, 0, 0)), (
        "by a hash that is not checked (PEP 552)"
    )


def test_a_name_on_the_path_that_does_not_run_is_no_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'not switched on' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert run_for_output([str(shim), "--version"]) is None
    assert run_for_output([str(tmp_path / "missing")]) is None


def test_clients_and_forms_work_with_what_is_left_of_their_libraries(tmp_path: Path) -> None:
    for library in (botocore, urllib3, werkzeug):
        source = Path(str(library.__file__)).parent
        others = {folder.name for folder in (source / "data").glob("*/")} - set(SERVICES)
        shutil.copytree(
            source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__", *others)
        )
    texts = gzip.decompress(
        next(tmp_path.glob("botocore/data/s3/*/service-2.json.gz")).read_bytes()
    )
    dependencies.prune_folder(tmp_path)
    left = gzip.decompress(next(tmp_path.glob("botocore/data/s3/*/service-2.json.gz")).read_bytes())
    assert len(left) < len(texts) / 4
    operations = {
        "DeleteObject",
        "GetObject",
        "HeadObject",
        "ListObjectsV2",
        "PutObject",
        "HeadBucket",
        "CreateSession",
    }
    assert set(json.loads(left)["operations"]) == operations
    environ = {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{dependencies.__file__.rsplit('/infra/')[0]}",
        **AWS,
    }
    subprocess.run([sys.executable, "-c", LEFT, tmp_path], env=environ, check=True)
