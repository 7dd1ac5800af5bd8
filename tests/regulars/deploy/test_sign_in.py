"""`aws login`, AWS's sign-in since November 2025, gives the command its credentials."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.utils import generate_login_cache_key

from regulars.deploy.stack import Account
from regulars.errors import NotDeployed

SESSION = "arn:aws:iam::123456789012:user/ann"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sign-ins, of a configuration that names one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = eu-central-1\nlogin_session = {SESSION}\n")
    for name, path in (("CONFIG_FILE", config), ("SHARED_CREDENTIALS_FILE", tmp_path / "none")):
        monkeypatch.setenv(f"AWS_{name}", str(path))
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", str(tmp_path))
    return tmp_path


def test_who_has_signed_in_is_known(cache: Path) -> None:
    token = {
        "accessKeyId": "ASIA1",
        "secretAccessKey": "secret",
        "sessionToken": "t",
        "accountId": "123456789012",
    }
    token["expiresAt"] = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = {"accessToken": token, "refreshToken": "r", "dpopKey": "k", "clientId": "c"}
    (cache / f"{generate_login_cache_key(SESSION)}.json").write_text(json.dumps(entry))
    assert boto3.session.Session().get_credentials().get_frozen_credentials().access_key == "ASIA1"


def test_who_has_not_is_told_the_command(cache: Path) -> None:
    with pytest.raises(NotDeployed, match="Please reauthenticate with 'aws login'"):
        Account(boto3.session.Session())
