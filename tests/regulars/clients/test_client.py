"""The client signs and sends as the contracts say."""

from __future__ import annotations

import email.parser
import email.policy

from regulars.clients.client import Reply, multipart, signature


def test_the_signature_is_that_of_public_client_code() -> None:
    parameters = {"timestamp": "1593029283", "random": "289192", "sn": "FS101D8BS00106", "app_id": "JO83UNV983U9OR"}
    assert signature(parameters, "12345678") == "72CB1C1031D3BA103D2FA1A57E171C2D"


def test_a_multipart_form_can_be_read_by_another_parser() -> None:
    body, content_type = multipart({"group_name": "été"}, b"\xff\xd8\r\n--x\x00", boundary="x1y2")
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    field, picture = message.iter_parts()
    assert field.get_payload(decode=True) == "été".encode()
    assert picture.get_payload(decode=True) == b"\xff\xd8\r\n--x\x00"
    assert picture.get_filename() == "picture"
    assert picture.get_content_type() == "image/jpeg"


def test_stages_are_read_from_server_timing() -> None:
    reply = Reply(200, {"server-timing": "decode;dur=7.9, commit;desc=x;dur=0.5, total;dur=21"}, {}, 25.0)
    assert reply.stages_ms == {"decode": 7.9, "commit": 0.5, "total": 21.0}
    assert Reply(200, {}, {}, 1.0).stages_ms == {}
