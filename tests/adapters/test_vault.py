"""Vault: a secret comes back to its own context, and to no other."""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.adapters.aws.vault import KmsVault, ParameterVault
from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.adapters.in_process import CachedVault
from chalicelib.core.errors import InvalidInput, StorageUnavailable
from chalicelib.core.ports import Vault
from tests.adapters.emulated import Aws

DEPLOY = Path(__file__).resolve().parents[2] / "docs/deploy.md"


@pytest.mark.parametrize("secret", ["x", "naïve 日本 🙂 \x00", "s" * 4096], ids=len)
def test_a_secret_comes_back(vault: Vault, secret: str) -> None:
    assert vault.unseal(vault.seal(secret, "tenant/app_key"), "tenant/app_key") == secret


def test_another_context_does_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(sealed, "two")


def test_damaged_bytes_do_not_unseal(vault: Vault) -> None:
    sealed = vault.seal("secret", "one")
    first, last = bytes([sealed[0] ^ 1]), bytes([sealed[-1] ^ 1])
    for damaged in (b"", b"x", sealed[:-1], first + sealed[1:], sealed[:-1] + last):
        with pytest.raises(StorageUnavailable):
            vault.unseal(damaged, "one")


@pytest.mark.parametrize("secret", ["", "é" * 2049], ids=len)
def test_a_secret_that_kms_would_not_take_is_refused(vault: Vault, secret: str) -> None:
    with pytest.raises(InvalidInput):
        vault.seal(secret, "one")


class UnreachableKms:
    def _fail(self, **request: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://kms")

    encrypt = decrypt = get_parameter = _fail


@pytest.mark.parametrize("kind", [KmsVault, ParameterVault])
def test_a_key_service_that_does_not_answer_is_unavailable(kind: Callable[[Any, str], Vault]) -> None:
    vault = kind(UnreachableKms(), "key")
    with pytest.raises(StorageUnavailable):
        vault.seal("secret", "one")
    with pytest.raises(StorageUnavailable):
        vault.unseal(b"sealed", "one")


class Parameters:
    """SSM with one parameter, and how often it was read."""

    def __init__(self, value: str) -> None:
        self.value, self.reads = value, 0

    def get_parameter(self, **request: Any) -> Any:
        assert request == {"Name": "/p", "WithDecryption": True}
        self.reads += 1
        return {"Parameter": {"Value": self.value}}


def test_a_parameter_is_read_once_and_seals_no_secret_twice_alike() -> None:
    parameters = Parameters("A" * 43 + "=")
    vault = ParameterVault(parameters, "/p")
    assert vault.seal("secret", "one") != vault.seal("secret", "one")
    assert vault.unseal(vault.seal("secret", "one"), "one") == "secret"
    assert parameters.reads == 1


def test_another_parameter_does_not_unseal() -> None:
    sealed = ParameterVault(Parameters("A" * 43 + "="), "/p").seal("secret", "one")
    with pytest.raises(StorageUnavailable, match="another key"):
        ParameterVault(Parameters("B" + "A" * 42 + "="), "/p").unseal(sealed, "one")


@pytest.mark.parametrize("value", ["", "secret", "A" * 40, "A" * 88])
def test_a_parameter_that_is_no_key_is_told_with_what_it_should_be(value: str) -> None:
    with pytest.raises(StorageUnavailable, match="/p of SSM is to hold 32 bytes in base64"):
        ParameterVault(Parameters(value), "/p").seal("secret", "one")


def test_the_command_of_the_page_makes_a_parameter_that_seals(aws: Aws) -> None:
    (line,) = (one for one in DEPLOY.read_text().splitlines() if one.startswith("    aws ssm put-parameter "))
    options = dict(zip((words := shlex.split(line))[3::2], words[4::2], strict=True))
    assert options["--value"] == "$(openssl rand -base64 32)"
    value = base64.b64encode(os.urandom(32)).decode()
    aws.client("ssm").put_parameter(Name=options["--name"], Type=options["--type"], Value=value)
    vault = ParameterVault(aws.client("ssm"), options["--name"])
    assert vault.unseal(vault.seal("secret", "one"), "one") == "secret"


class CountingVault(PlainVault):
    def __init__(self) -> None:
        self.asked = 0

    def unseal(self, sealed: bytes, context: str) -> str:
        self.asked += 1
        return super().unseal(sealed, context)


def test_vault_is_asked_once_for_a_secret_and_again_for_another() -> None:
    vault = CountingVault()
    cached = CachedVault(vault)
    old, new = (vault.seal(secret, "shop") for secret in ("old", "new"))
    assert [cached.unseal(old, "shop") for _ in range(3)] == ["old"] * 3
    assert vault.asked == 1
    assert cached.unseal(new, "shop") == "new"
    assert vault.asked == 2


def test_secret_that_is_kept_is_not_given_for_another_context() -> None:
    vault = CountingVault()
    cached = CachedVault(vault)
    sealed = vault.seal("secret", "shop")
    assert cached.unseal(sealed, "shop") == "secret"
    with pytest.raises(StorageUnavailable):
        cached.unseal(sealed, "another")
