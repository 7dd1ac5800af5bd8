import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots.segment import (
    DamagedSnapshot,
    decode,
    encode_segment,
    segment_of_faces,
)
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Edit, JournalEntry
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest
from chalicelib.domain.rules.templates import make_template
from tests.support.fakes import embedding_of

edits = st.lists(
    st.tuples(
        st.sampled_from(list(Edit)),
        st.integers(0, 12),
        st.sampled_from(["g", "h", "i"]),
        st.integers(1, 4),
    ),
    max_size=60,
)


def entry(edit: Edit, face: int, group: str, templates: int, at: int) -> JournalEntry:
    """One template is another model's where the edit adds a model."""
    model = "other" if edit is Edit.EMBED and templates == 1 else "m"
    vectors = tuple(make_template(model, embedding_of(1000 * at + n)) for n in range(templates))
    if edit is Edit.DROP:
        return JournalEntry(edit, "", group)
    return JournalEntry(
        edit, f"f{face}", group, () if edit in (Edit.MOVE, Edit.DELETE) else vectors
    )


@settings(deadline=None, max_examples=150)
@given(edits, st.integers(0, 60))
def test_gallery_equals_a_dictionary_that_follows_the_same_journal(
    history: list[tuple[Edit, int, str, int]], snapshot_at: int
) -> None:
    gallery = Gallery("m", None)
    model: dict[str, tuple[str, int]] = {}
    for at, (edit, face, group, templates) in enumerate(history, start=1):
        if at == snapshot_at:
            gallery = Gallery("m", decode(encode_segment(gallery.view.make_segment("m")).readall()))
            assert gallery.view.seq == at - 1
        gallery.apply_entries([entry(edit, face, group, templates, at)], at)
        if edit in (Edit.PUT, Edit.REPLACE) or (edit is Edit.EMBED and templates > 1):
            model[f"f{face}"] = (group, at)
        elif edit is Edit.DROP:
            model = {faceid: held for faceid, held in model.items() if held[0] != group}
        elif edit is Edit.DELETE:
            model.pop(f"f{face}", None)
        elif edit is Edit.MOVE and f"f{face}" in model:
            model[f"f{face}"] = (group, model[f"f{face}"][1])

    for group_ids in (None, ["g"], ["h", "i"], ["nowhere"]):
        wanted = {
            face: put
            for face, (group, put) in model.items()
            if group_ids is None or group in group_ids
        }
        probes = np.stack(
            [embedding_of(1000 * put) for put in wanted.values()] or [embedding_of(0)]
        )
        answer = gallery.view.search(SearchRequest("m", probes, group_ids, limit=100))
        size, candidates = answer.gallery_size, answer.candidates
        assert size == len(wanted)
        assert [{c.faceid for c in found} for found in candidates] == [set(wanted)] * len(probes)
        if wanted:
            assert [found[0].faceid for found in candidates] == list(wanted)
        assert all(model[c.faceid][0] == c.group_id for found in candidates for c in found)


def test_a_snapshot_of_faces_that_only_moved_has_their_new_groups() -> None:
    first = Gallery("m", None)
    first.apply_entries([entry(Edit.PUT, 1, "g", 1, 1)], 1)
    second = Gallery("m", first.view.make_segment("m"))

    second.apply_entries([entry(Edit.MOVE, 1, "h", 0, 2)], 2)

    segment = second.view.make_segment("m")
    assert [segment.group_ids[number] for number in segment.face_group] == ["h"]


def test_long_churn_does_not_grow_the_gallery() -> None:
    gallery = Gallery("m", None)
    for at in range(1, 5_001):
        gallery.apply_entries([entry(Edit.PUT, at % 7, "g", 1, at % 50)], at)

    assert gallery.view.rows < 2_500
    assert gallery.view.seq == 5_000


def test_view_taken_before_a_change_does_not_show_it() -> None:
    gallery = Gallery("m", None)
    gallery.apply_entries([entry(Edit.PUT, 1, "g", 1, 1)], 1)
    before = gallery.view

    gallery.apply_entries([entry(Edit.DELETE, 1, "g", 0, 2), entry(Edit.PUT, 2, "g", 1, 2)], 2)

    (found,) = before.search(SearchRequest("m", embedding_of(1000)[None], limit=10)).candidates
    assert [candidate.faceid for candidate in found] == ["f1"]


@pytest.mark.parametrize("limit", [2, 4, 9])
def test_faces_that_tie_come_in_the_order_of_their_faceids_wherever_they_are(limit: int) -> None:
    same = (make_template("m", embedding_of(1)),)
    gallery = Gallery("m", None)
    gallery.apply_entries(
        [JournalEntry(Edit.PUT, faceid, "g", same) for faceid in ("f2", "f8", "f4")], 1
    )
    gallery = Gallery("m", gallery.view.make_segment("m"))
    gallery.apply_entries(
        [JournalEntry(Edit.PUT, faceid, "h", same) for faceid in ("f7", "f1", "f3")], 2
    )

    (found,) = gallery.view.search(
        SearchRequest("m", embedding_of(1)[None], limit=limit)
    ).candidates

    wanted = [("f1", "h"), ("f2", "g"), ("f3", "h"), ("f4", "g"), ("f7", "h"), ("f8", "g")]
    assert [(one.faceid, one.group_id) for one in found] == wanted[:limit]
    assert len({one.score for one in found}) == 1


def test_more_faces_that_tie_in_a_snapshot_than_are_wanted_come_in_the_order_of_their_faceids() -> (
    None
):
    """The two are far longer than all others, so no code's bounds hold for them and both are
    computed."""
    random = np.random.default_rng(1)
    templates = random.standard_normal((5_000, 32)).astype(np.float16)
    templates[[50, 77]] = templates[0] * 1_000
    faces = [(f"f{n:04}", "g", [row.tobytes()]) for n, row in enumerate(templates)]
    view = Gallery("m", segment_of_faces("m", 7, faces)).view

    (found,) = view.search(SearchRequest("m", templates[:1].astype(np.float32), limit=1)).candidates

    assert view.base.codes.loose.tolist() == [50, 77]
    assert [one.faceid for one in found] == ["f0050"]


@pytest.mark.parametrize("count", [4_095, 4_097])
def test_a_gallery_that_is_let_go_leaves_memory_without_a_collection_of_garbage(count: int) -> None:
    template = np.eye(1, 32, dtype=np.float16).tobytes()
    segment = segment_of_faces("m", 7, [(f"f{n:04}", "g", [template]) for n in range(count)])
    gallery = Gallery("m", segment)
    kept = [
        weakref.ref(segment.templates),
        weakref.ref(gallery.view.base_group),
        weakref.ref(gallery),
    ]
    gc.disable()
    try:
        gallery.view.search(SearchRequest("m", np.ones((1, 32), np.float32), limit=3))
        del segment, gallery
        assert [one() for one in kept] == [None, None, None]
    finally:
        gc.enable()


def test_probe_of_other_dimensions_is_refused() -> None:
    gallery = Gallery("m", None)
    gallery.apply_entries([entry(Edit.PUT, 1, "g", 1, 1)], 1)

    with pytest.raises(InvalidInput, match="256 dimensions, the probes 3"):
        gallery.view.search(SearchRequest("m", np.zeros((1, 3), dtype=np.float32)))


def test_templates_of_another_model_are_never_compared() -> None:
    gallery = Gallery("m", None)
    gallery.apply_entries(
        [JournalEntry(Edit.PUT, "f", "g", (make_template("other", embedding_of(1)),))], 1
    )

    assert gallery.view.search(SearchRequest("m", embedding_of(1)[None])) == SearchAnswer(
        1, 0, ((),)
    )


@pytest.mark.parametrize("damage", ["truncated", "bit", "empty", "version", "longer"])
def test_damaged_snapshot_is_refused(damage: str) -> None:
    gallery = Gallery("m", None)
    gallery.apply_entries([entry(Edit.PUT, face, "g", 1, face) for face in range(20)], 1)
    data = bytearray(encode_segment(gallery.view.make_segment("m")).readall())
    if damage == "bit":
        data[len(data) // 2] ^= 1
    elif damage == "version":
        data[7] ^= 1
    elif damage == "longer":
        data += b"x"
    else:
        del data[0 if damage == "empty" else -7 :]

    with pytest.raises(DamagedSnapshot):
        decode(bytes(data))
