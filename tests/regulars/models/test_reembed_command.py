import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.vision.packs import packs
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import NewFace, Profile, Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.cli import main
from tests.support.pictures import photos as at_hand
from tests.support.pictures.album import ANY_PICTURE
from tests.support.pictures.own_pack import MODEL, NAME, own_pack

PEOPLE = {
    Path(first).stem.partition("_neutral")[0]: pair
    for pair in at_hand.PAIRS[:5]
    for first in pair[:1]
}
"""Two pictures of each, by faceid."""
*_, LAST = PEOPLE
PRODUCT = packs.read_pack().manifest.embedding.model


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with a pack of one's own, which the environment names."""
    own_pack(tmp_path / "models")
    monkeypatch.setenv("REGULARS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def enrolled(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of five people, enrolled neutral by the program's pack; one of them has lost
    the picture."""
    folder = tmp_path_factory.mktemp("enrolled")
    with closing(bootstrap.build(Settings(storage=folder))) as services:
        services.tenants.add("shop", Profile.CLOUD)
        for person in PEOPLE:
            data = (photos / PEOPLE[person][0]).read_bytes()
            face = services.enrolment.enrol_largest_face(
                tenant(services), "regular", data, ANY_PICTURE, NewFace(faceid=person)
            )
        services.storage.blobs.delete(face.picture_key)
    return folder


@pytest.fixture
def shop(enrolled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(enrolled, tmp_path / "shop"))


def tenant(services: Services) -> Tenant:
    (only,) = services.tenants.list_all()
    return only


def who(services: Services, photos: Path, person: str) -> str | None:
    data = (photos / PEOPLE[person][1]).read_bytes()
    match = services.recognition.face_analysis.search_by_picture(
        tenant(services), data, ANY_PICTURE
    ).match
    return match.face.faceid if match else None


def test_who_smiles_is_found_by_either_model_and_who_lost_the_picture_is_named(
    shop: Path, models: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(bootstrap.build(Settings(storage=shop, models=models))) as serving:
        assert [who(serving, photos, person) for person in PEOPLE] == [*PEOPLE]
        assert main(["reembed", "--pack", NAME, "--data", str(shop)]) == 1, "somebody is not found"
        said = capsys.readouterr().out
        assert f"shop: {len(PEOPLE)} faces, about " in said
        assert (
            f"shop: {len(PEOPLE) - 1} faces embedded by {MODEL}; searches go by it from now on"
            in said
        )
        assert f"  {LAST}  its picture is gone" in said
        assert [who(serving, photos, person) for person in PEOPLE] == [*list(PEOPLE)[:-1], None]
        assert serving.tenants.get_by_name("shop").model == MODEL


def test_who_is_found_again_makes_it_succeed(shop: Path, models: Path, photos: Path) -> None:
    assert main(["reembed", "--pack", NAME, "--data", str(shop)]) == 1
    with closing(bootstrap.build(Settings(storage=shop, models=models))) as services:
        changes = FaceChanges(picture=(photos / PEOPLE[LAST][1]).read_bytes())
        services.enrolment.update.change_in_group(
            tenant(services), "regular", LAST, changes, ANY_PICTURE
        )
    assert main(["reembed", "--pack", NAME, "--data", str(shop)]) == 0


def test_an_estimate_counts_what_is_not_embedded_yet(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["reembed", "--pack", NAME, "--data", str(shop)])
    capsys.readouterr()
    back = ["reembed", "--pack", packs.DEFAULT_PACK, "--data", str(shop)]
    assert main([*back, "--estimate"]) == 0
    assert capsys.readouterr().out == f"shop: all faces have their templates of {PRODUCT} already\n"
    assert main(back) == 0
    said = capsys.readouterr().out
    assert f"already\nshop: 0 faces embedded by {PRODUCT}; searches go by it from now on" in said


def test_an_estimate_for_the_model_in_use_says_that_nothing_is_left(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reembed", "--pack", packs.DEFAULT_PACK, "--data", str(shop), "--estimate"]) == 0
    assert capsys.readouterr().out == f"shop: all faces have their templates of {PRODUCT} already\n"


def test_an_estimate_changes_nothing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reembed", "--pack", NAME, "--data", str(shop), "--estimate"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    with closing(bootstrap.build(Settings(storage=shop))) as services:
        assert services.reembedding.read_model("shop") == PRODUCT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pack", "nope"], "there is no model pack 'nope'"),
        (["--pack", NAME, "--tenant", "nobody"], "there is no tenant 'nobody'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reembed", "--data", str(shop), *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reembed", "--pack", NAME, "--data", str(tmp_path / "nothing")]) == 1
    assert "there is no data folder" in capsys.readouterr().err


def test_a_server_whose_pack_knows_no_liveness_enrols_who_looks_alive_once_another_does(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    shutil.rmtree(models)
    own_pack(models, without=("liveness",))
    data = (photos / at_hand.PORTRAIT).read_bytes()
    with closing(
        bootstrap.build(Settings(storage=tmp_path / "shop", models=models, pack=NAME))
    ) as serving:
        serving.tenants.add("shop", Profile.CLOUD)
        serving.tenants.change_settings("shop", {"least_liveness": 0.01})
        with pytest.raises(Unusable, match="has no model for it"):
            serving.enrolment.enrol_largest_face(tenant(serving), "regular", data, ANY_PICTURE)
        assert (
            main(["reembed", "--pack", packs.DEFAULT_PACK, "--data", str(tmp_path / "shop")]) == 0
        )
        face = serving.enrolment.enrol_largest_face(tenant(serving), "regular", data, ANY_PICTURE)
        assert who(serving, photos, next(iter(PEOPLE))) == face.faceid


def test_a_server_that_was_not_told_of_the_pack_says_which_model_it_lacks(
    shop: Path, photos: Path
) -> None:
    main(["reembed", "--pack", NAME, "--data", str(shop)])
    said = f"no model pack here makes embeddings of the model '{MODEL}'"
    with (
        closing(bootstrap.build(Settings(storage=shop))) as serving,
        pytest.raises(packs.UnknownPack, match=said),
    ):
        who(serving, photos, next(iter(PEOPLE)))


def test_an_estimate_says_who_is_erased_then_since_the_template_alone_is_left(
    shop: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(bootstrap.build(Settings(storage=shop, models=models))) as services:
        services.tenants.change_settings("shop", {"ended_days": 0})
        wish = services.consents.make_wish("consent", "letter 7")
        person, *_ = PEOPLE
        record = Consent(Basis.CONSENT, datetime(2026, 3, 2, tzinfo=UTC), "form 7")
        services.consents.set(tenant(services), person, record)
        services.consents.withdraw_consent(tenant(services), person, wish=wish)
        services.erasure.stripping.strip(tenant(services), person)
    assert main(["reembed", "--pack", NAME, "--data", str(shop), "--estimate"]) == 0
    said = capsys.readouterr().out
    assert f"shop: {len(PEOPLE) - 1} faces, about " in said
    assert "; erases 1 who are remembered after consent: no picture of them is left" in said
