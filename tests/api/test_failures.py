"""Storage that fails under every route of every dialect: one log record with the cause, one count,
and no word of AWS's in the answer.
"""

import base64
import io
import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError
from chalice.app import Chalice
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api import observability
from chalicelib.bootstrap import build
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.aws.errors import translate_failures
from tests.api.logs import LAMBDA, lines
from tests.api.neighbours import ALPHA, Street, Walk, key_of
from tests.support.api.gateway import Reply
from tests.support.api.samples import SAMPLES
from tests.support.api.stage import make_stage
from tests.support.fakes import UNHURRIED, FakePictures, FakeVision
from tests.support.storage.failing import PORTS

ROLE = "arn:aws:sts::111122223333:assumed-role/regulars-prod-ApiHandlerRole"
DENIED = (
    f"User: {ROLE} is not authorized to perform: dynamodb:Query on resource: "
    "table/regulars-prod-faces"
)
TOLD_TO_NOBODY = (
    "arn:",
    "111122223333",
    "Role",
    "regulars-prod",
    "authorized",
    "ClientError",
    "Traceback",
    "a bug",
)


class Trouble(Struct, frozen=True):
    """How storage fails, and what must be told: the metric, the record's level, and each dialect's
    code.

    `spares_credentials`: credentials are read nevertheless, so that requests come further.
    """

    happens: Callable[[], NoReturn]
    metric: str
    level: int
    cause: str
    codes: tuple[Any, ...]
    spares_credentials: bool = True


def _of_aws(code: str, message: str) -> Callable[[], NoReturn]:
    def happens() -> NoReturn:
        with translate_failures("DynamoDB"):
            raise ClientError({"Error": {"Code": code, "Message": message}}, "Query")
        raise AssertionError

    return happens


def _bug() -> NoReturn:
    raise ZeroDivisionError("a bug")


UNAVAILABLE = (211, 41, 503, "STORAGE_UNAVAILABLE", "StorageUnavailable", "ThrottlingException")
_DENIED = Trouble(
    _of_aws("AccessDeniedException", DENIED),
    "FailuresUnavailable",
    logging.ERROR,
    DENIED,
    UNAVAILABLE,
)
TROUBLES = {
    "denied": _DENIED,
    "denied at once": replace(_DENIED, spares_credentials=False),
    "refused": Trouble(
        _of_aws("ValidationException", DENIED),
        "FailuresUnavailable",
        logging.ERROR,
        DENIED,
        UNAVAILABLE,
    ),
    # SUNMI's endpoints that list no 220 answer 211 (api/sunmi/endpoint.py).
    "throttled": Trouble(
        _of_aws("ThrottlingException", DENIED),
        "FailuresBusy",
        logging.WARNING,
        DENIED,
        (220, 211, 41, 429, "BUSY", "Busy", "ThrottlingException"),
    ),
    "a bug": Trouble(
        _bug,
        "FailuresUnexpected",
        logging.ERROR,
        "a bug",
        (1, 0, 500, "INTERNAL_ERROR", "InternalError", "InternalServerError"),
    ),
}


CREDENTIALS_ONLY = {
    ("GET", "/v1/session", 0),
    ("DELETE", "/v1/session", 0),
    ("GET", "/v1/dialects", 0),
    ("GET", "/v1/keys", 0),
    ("GET", "/v1/members", 0),
    ("GET", "/v1/members/{id}/made", 0),
    ("GET", "/v1/notice", 0),
    ("GET", "/v1/signing-key", 0),
    ("POST", "/v1/verify", 1),
    ("POST", "/v1/detect", 0),
    ("POST", "/ DetectFaces", 0),
    ("POST", "/ CompareFaces", 0),
    ("POST", "/api/v1/detection/detect", 0),
    ("POST", "/api/v1/verification/verify", 0),
    ("POST", "/api/v1/verification/embeddings/verify", 0),
    ("POST", "/v1/vision/face", 0),
    ("POST", "/v1/vision/face/match", 0),
}
"""Samples that read nothing else: they are answered as long as credentials are spared."""


class Failing:
    """A port whose calls fail."""

    def __init__(self, port: Any, trouble: Trouble) -> None:
        self._port = port
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def called(*given: Any, **named: Any) -> Any:
            is_credential = keys.TENANTS in given or name == "unseal"
            if name == "close" or (is_credential and self._trouble.spares_credentials):
                return method(*given, **named)
            return self._trouble.happens()

        return called if callable(method) and not name.startswith("presigned") else method


class TroubledWalk(Walk):
    """The street on storage that fails; what it writes to its log is in `out`."""

    def __init__(self, street: Street, folder: Path, trouble: Trouble) -> None:
        super().__init__(street, folder)
        self.out = io.StringIO()
        self._trouble = trouble
        self._app: Chalice | None = None

    @property
    def app(self) -> Chalice:
        if self._app is None:
            settings = Settings(
                storage=Path(shutil.copytree(self.street.folder, self._folder / "troubled")),
                **UNHURRIED,
            )
            whole = open_storage(settings, self.clock)
            failing = {name: Failing(getattr(whole, name), self._trouble) for name in PORTS}
            services = build(
                settings, clock=self.clock, vision=FakeVision, storage=replace(whole, **failing)
            )
            ids = self.street.shops[ALPHA].ids
            services.ports.pictures_by_url = FakePictures(
                {ids["photo_url"]: base64.b64decode(ids["photo"])}
            )
            self._stage = make_stage(services)
            self._app = self._stage.app
            self._app.register_middleware(observability.make_observer(LAMBDA, self.out), "all")
        return self._app


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    return Street.made(tmp_path_factory.mktemp("street") / "data")


@pytest.mark.shows("sunmi", "1 an internal error, never for bad input.")
@pytest.mark.shows("sunmi", "211 storage is unavailable; nothing was changed.")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_failure_of_any_use_case_is_logged_once_and_counted_and_its_cause_is_told_to_nobody(
    street: Street,
    tmp_path: Path,
    trouble: Trouble,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between the tries of a write
    walk = TroubledWalk(street, tmp_path, trouble)
    shop = street.shops[ALPHA]
    wrong = []
    for (method, path), samples in SAMPLES.items():
        for number, sample in enumerate(samples):
            if trouble.spares_credentials and (method, path, number) in CREDENTIALS_ONLY:
                continue
            caplog.clear()
            walk.out.truncate(walk.out.seek(0))
            reply = walk.send(method, path, sample.filled(shop.ids), **key_of(shop, path))
            told = [record for record in caplog.records if record.levelno >= logging.WARNING]
            wrong += [
                f"{method} {path} {number}: {what}"
                for what in _wrong(trouble, reply, told, walk.out)
            ]
    walk.close()
    assert not wrong, "\n".join(wrong)


def _wrong(
    trouble: Trouble, reply: Reply, told: list[logging.LogRecord], out: io.StringIO
) -> list[str]:
    [line] = lines(out)
    body = reply.json
    code = body.get("code", body.get("ERROR_CODE", body.get("__type")))
    texts = [record.getMessage() + str(record.exc_info) for record in told]
    found = {
        f"answers {reply.body}": code not in trouble.codes,
        f"tells {reply.body}": any(word in reply.body for word in TOLD_TO_NOBODY),
        f"logs {texts}": not (
            len(texts) == 1 and trouble.cause in texts[0] and str(code) in texts[0]
        ),
        f"logs at {[record.levelname for record in told]}": [record.levelno for record in told]
        != [trouble.level],
        f"has the line {json.dumps(line)}": (line.get("code"), line.get(trouble.metric))
        != (code, 1),
    }
    return [what for what, is_so in found.items() if is_so]
