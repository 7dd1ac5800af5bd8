"""An emulated AWS account in a process of its own, with the stack's storage, two tenants and a
gallery in it.

Another process: the functions' clients are boto3's own, over HTTP, and what the emulation costs is
not on their clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from msgspec import Struct

from chalicelib import bootstrap
from chalicelib.api.sunmi.routes import PICTURES
from chalicelib.book.captures.captures import Offer
from chalicelib.domain.model import Credentials, NewFace, Profile
from chalicelib.settings import Settings
from chalicelib.storage import keys
from infra.storage import make_storage
from regulars_lab.bench.vectors import Maker
from testing.ports import free_port
from tests.support.book.synthetic import segment, write_snapshot
from tests.support.book.tenants import KEEPING

STACK = "cold"
GROUP = "regular"
CAMERA, CLOUD = "camera", "cloud"
_REGION = "eu-central-1"
# What moto can make; the rest of the template is no storage.
_KNOWN = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::KMS::Key")


class Account(Struct, frozen=True):
    """Its address, and the stack's resources by their names in the template."""

    url: str
    physical: Mapping[str, str]

    def resolve_value(self, value: Any) -> str | None:
        """Resolve a value of the template's environment; None if it names something that the
        account does not have."""
        match value:
            case str():
                return value
            case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
                return self.physical.get(name)
            case {"Fn::If": ["HasWitness", _, nowhere]}:
                return self.resolve_value(nowhere)
            case {"Fn::If": [_, usual, _]}:
                return self.resolve_value(usual)
            case {"Fn::Sub": str(text)}:
                return text.replace("${AWS::StackName}", STACK)
        return None


@contextmanager
def account() -> Iterator[Account]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=quiet, stderr=quiet
    )
    try:
        _wait_for(url, server)
        os.environ.update(
            AWS_ENDPOINT_URL=url,
            AWS_ACCESS_KEY_ID="bench",
            AWS_SECRET_ACCESS_KEY="bench",
            AWS_DEFAULT_REGION=_REGION,
        )
        yield Account(url, _make_stack())
    finally:
        server.kill()
        server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(
        "moto's server does not start: pip install --group lab/pyproject.toml:packaged"
    )


def _make_stack() -> dict[str, str]:
    whole = make_storage()
    known = {name: r for name, r in whole["Resources"].items() if r["Type"] in _KNOWN}
    sections = {
        name: section for name, section in whole.items() if name in ("Parameters", "Conditions")
    }
    formation = boto3.client("cloudformation")
    formation.create_stack(
        StackName=STACK, TemplateBody=json.dumps({**sections, "Resources": known})
    )
    made = formation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in made}


def populate(settings: Settings, faces: int, portrait: bytes) -> dict[str, Credentials]:
    """Two tenants; the camera's gallery is a snapshot of `faces` that nobody has, and one real face
    after it.

    Returns their credentials by tenant.
    """
    services = bootstrap.build(settings)
    credentials = {
        name: services.tenants.add(name, Profile(name), KEEPING) for name in (CAMERA, CLOUD)
    }
    templates = Maker("face-like", seed=faces).vectors(faces)
    gallery = segment(templates, model=services.ports.model(), seq=0, group=GROUP)
    write_snapshot(services.ports.storage.items, services.ports.storage.blobs, CAMERA, gallery)
    tenant = services.tenants.get_by_name(CAMERA)
    services.enrolment.enrol_largest_face(
        tenant, GROUP, portrait, PICTURES, NewFace(faceid="somebody")
    )
    services.cameras.add(tenant, CAMERA, CAMERA)
    return credentials


def put_by_camera(settings: Settings, picture: bytes) -> str:
    """Put a picture as a camera does, as another capture each time; return what S3 says of it."""
    services = bootstrap.build(settings)
    sha256 = hashlib.sha256(picture).hexdigest()
    offer = Offer(CAMERA, sha256, len(picture), "image/jpeg", services.ports.clock.now())
    (upload,) = services.captures.offer_uploads(services.tenants.get_by_name(CAMERA), [offer])
    key = keys.capture_picture(CAMERA, CAMERA, upload.capture.id)
    services.ports.storage.uploads.put_if_absent(key, picture, "image/jpeg")
    return json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
