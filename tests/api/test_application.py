import pytest

from chalicelib.api.application import PICTURE_CHARACTERS, Application
from tests.support.api.gateway import send


@pytest.mark.parametrize("size", [0, PICTURE_CHARACTERS // 2, PICTURE_CHARACTERS])
def test_a_picture_is_expected_in_a_large_body_before_the_view_is_called(size: int) -> None:
    told: list[str] = []
    app = Application("pictures", lambda: told.append("expected"))

    @app.route("/", methods=["POST"], content_types=["application/octet-stream"])
    def view() -> None:
        told.append("called")

    send(app, "/", bytes(size), content_type="application/octet-stream")
    assert told == [*(["expected"] if size == PICTURE_CHARACTERS else []), "called"]
