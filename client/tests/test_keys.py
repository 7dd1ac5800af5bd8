"""Where a key comes from, and where it never goes."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from regulars_client.client import Regulars
from regulars_client.errors import NotConfigured, RegularsError
from regulars_client.keys import VARIABLE, api_key

KEY = "rk_0123456789abcdef0123456789abcdef"


def test_a_given_key_comes_before_a_file_and_a_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rk_file\n")
    file.chmod(0o600)
    environment = {VARIABLE: "rk_environment"}
    assert sent(api_key("rk_given", file, environment)) == "Bearer rk_given"
    assert sent(api_key(None, file, environment)) == "Bearer rk_file"
    assert sent(api_key(None, None, environment)) == "Bearer rk_environment"


def sent(key: httpx.Auth) -> str:
    request = httpx.Request("GET", "http://box/")
    next(key.sync_auth_flow(request))
    return request.headers["Authorization"]


def test_without_a_key_it_says_where_to_put_one() -> None:
    with pytest.raises(NotConfigured, match=VARIABLE):
        api_key(None, None, {})


@pytest.mark.parametrize("text", ["", "two words", "rk_x\r\nX-Other: 1", "clé"])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(NotConfigured) as caught:
        api_key(None, file, {})
    assert not text or text not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.raises(NotConfigured, match="chmod 600"):
        api_key(None, file, {})


def test_no_text_and_no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Regulars("http://127.0.0.1:1", api_key=KEY, patience_s=0.3) as regulars:
        with pytest.raises(RegularsError) as caught:
            regulars.get_camera("door")
        shown = [repr(regulars), repr(vars(regulars)), repr(caught.value), str(caught.value), caplog.text]
    assert len(caplog.records) > 3  # the libraries say much at this level
    assert not any(KEY in text for text in shown)
