"""`regulars doctor --dialect` sends what old clients send, and says of each call what they would
see that differs."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from regulars.cli import main
from tests.support.box.server import Server

DIALECTS = ("sunmi", "icredit", "rekognition", "compreface", "deepstack")


@pytest.fixture(scope="module")
def keys(box: Server) -> dict[str, str]:
    one = box.credentials("shop")
    names = ("app_id", "app_key", "appcode", "access_key_id", "secret_access_key")
    found = {name: str(getattr(one, name)) for name in names}
    return found | added(box, "compreface") | {"api_key": added(box, "deepstack")["deepstack"]}


def added(box: Server, kind: str) -> dict[str, str]:
    """Return the keys that the command prints."""
    with redirect_stdout(StringIO()) as said:
        command = ("tenants", "keys", "add", "shop", kind, "--for", kind, "--group", "regular")
        assert main((*command, "--data", str(box.data))) == 0
    pairs = (line.partition(": ") for line in said.getvalue().splitlines())
    return {name: value for name, _, value in pairs}


def asked(box: Server, folder: Path, dialect: str, keys: dict[str, str], url: str = "") -> int:
    file = folder / "keys"
    file.write_text("".join(f"{name}: {value}\n" for name, value in keys.items()))
    return main(["doctor", "--dialect", dialect, "--url", url or box.url, "--keys", str(file)])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_old_client_sees_what_it_expects(
    dialect: str,
    box: Server,
    keys: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert asked(box, tmp_path, dialect, keys) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert [line.split()[1] for line in lines][-2:] == ["slash", "limits"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_key_is_told_in_the_dialects_words(
    dialect: str,
    box: Server,
    keys: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = keys | {"app_key": "0" * 32, "appcode": "x", "secret_access_key": "x", "api_key": "x"}
    wrong |= {"recognition": keys["detection"]}
    assert asked(box, tmp_path, dialect, wrong) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed")]
    assert failed
    assert not [line for line in failed if "no reason given" in line]


def test_a_key_that_is_missing_is_named(
    box: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(box, tmp_path, "sunmi", {}) == 1
    assert "`app_id: ...`" in capsys.readouterr().err
