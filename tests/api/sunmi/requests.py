"""A request with other public parameters than its sample's, and the code of its answer."""

from msgspec.structs import replace

from tests.support.api.sunmi.client import CameraClient, Signed, md5_sign
from tests.support.api.sunmi.samples import SAMPLES


def request(camera: CameraClient, endpoint: str, **public: str) -> Signed:
    """The endpoint's sample with these public parameters in place of its own, signed as it is
    sent."""
    signed = SAMPLES[endpoint].signed(camera, endpoint)
    pairs = [pair for pair in signed.pairs if pair[0] not in {"sign", *public}]
    pairs += [(name, value) for name, value in public.items() if name != "sign"]
    return replace(
        signed, pairs=[*pairs, ("sign", public.get("sign") or md5_sign(pairs, camera.key))]
    )


def code(signed: Signed) -> int:
    answer = signed.answer()
    assert answer["code"] == 0 or answer["msg"]
    return int(answer["code"])
