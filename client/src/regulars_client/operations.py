"""The operations of v1, a method each.

`make client` writes this module.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from regulars_client import models
from regulars_client.connection import Connection, Pages, quote_part
from regulars_client.pictures import Picture, in_base64


class Operations(Connection):
    """The operations of the service."""

    def list_arrivals(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        camera: str | UnsetType = UNSET,
        group: str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        staff: bool | UnsetType = UNSET,
        only: Literal["first", "uncertain"] | UnsetType = UNSET,
        totals: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.ArrivalsPage, models.FaceArrival]:
        """List who came and which visit it was, by its first sighting, newest first; without `from` who came today."""
        return self._pages(
            "/v1/arrivals",
            models.ArrivalsPage,
            lambda page: page.arrivals,
            query={
                "from": from_,
                "to": to,
                "camera": camera,
                "group": group,
                "face": face,
                "staff": staff,
                "only": only,
                "totals": totals,
                "limit": limit,
                "token": token,
            },
        )

    def list_entries(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        what: str | UnsetType = UNSET,
        by: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.EntriesPage, models.Entry]:
        """List the audit's entries, newest first."""
        return self._pages(
            "/v1/audit",
            models.EntriesPage,
            lambda page: page.entries,
            query={
                "from": from_,
                "to": to,
                "face": face,
                "what": what,
                "by": by,
                "limit": limit,
                "token": token,
            },
        )

    def list_boxes(self) -> models.Boxes:
        """List the machines with the edge uploader, by id."""
        return self._call("GET", "/v1/boxes", models.Boxes)

    def list_cameras(self) -> models.Cameras:
        """List all cameras, by id."""
        return self._call("GET", "/v1/cameras", models.Cameras)

    def add_camera(
        self,
        *,
        name: str,
        labels: models.LabelChanges | UnsetType = UNSET,
        groups: list[str] | UnsetType | None = UNSET,
        edge: models.Edge | UnsetType = UNSET,
        gap_s: int | UnsetType = UNSET,
        stranger_quality: float | UnsetType = UNSET,
        keeps_strangers: bool | UnsetType = UNSET,
        learns: bool | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
        silent_after_s: int | UnsetType | None = UNSET,
        id: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.CameraMade:
        """Add a camera and its key, which is shown nowhere else."""
        return self._call(
            "POST",
            "/v1/cameras",
            models.CameraMade,
            body={
                "labels": labels,
                "groups": groups,
                "edge": edge,
                "gap_s": gap_s,
                "stranger_quality": stranger_quality,
                "keeps_strangers": keeps_strangers,
                "learns": learns,
                "enabled": enabled,
                "silent_after_s": silent_after_s,
                "name": name,
                "id": id,
            },
            idempotency_key=idempotency_key,
        )

    def get_camera(self, id: str) -> models.Camera:
        """Read one camera."""
        return self._call("GET", f"/v1/cameras/{quote_part(id)}", models.Camera)

    def change_camera(
        self,
        id: str,
        *,
        labels: models.LabelChanges | UnsetType = UNSET,
        groups: list[str] | UnsetType | None = UNSET,
        edge: models.Edge | UnsetType = UNSET,
        name: str | UnsetType = UNSET,
        revision: int | UnsetType = UNSET,
        gap_s: int | UnsetType = UNSET,
        stranger_quality: float | UnsetType = UNSET,
        keeps_strangers: bool | UnsetType = UNSET,
        learns: bool | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
        silent_after_s: int | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Camera:
        """Change what is sent; the rest stays, labels that are not sent too."""
        return self._call(
            "PATCH",
            f"/v1/cameras/{quote_part(id)}",
            models.Camera,
            body={
                "labels": labels,
                "groups": groups,
                "edge": edge,
                "name": name,
                "revision": revision,
                "gap_s": gap_s,
                "stranger_quality": stranger_quality,
                "keeps_strangers": keeps_strangers,
                "learns": learns,
                "enabled": enabled,
                "silent_after_s": silent_after_s,
            },
            idempotency_key=idempotency_key,
        )

    def delete_camera(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Forget a camera; its key stops at once, its captures and sightings stay."""
        self._call(
            "DELETE", f"/v1/cameras/{quote_part(id)}", type(None), idempotency_key=idempotency_key
        )

    def list_checks(self, id: str) -> models.Checks:
        """List what people saw on films of a camera's count, the film that waits for somebody to look at it, and how right the count is."""
        return self._call("GET", f"/v1/cameras/{quote_part(id)}/checks", models.Checks)

    def ask_for_film(self, id: str, *, idempotency_key: str | None = None) -> models.Checks:
        """Ask for a film of a camera's count, a minute without people: its box sends one after a heartbeat, within a day."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/checks",
            models.Checks,
            idempotency_key=idempotency_key,
        )

    def answer_check(
        self, id: str, at: str, *, in_: int, out: int, idempotency_key: str | None = None
    ) -> models.Checks:
        """Say how many came in and went out in the film of a minute."""
        return self._call(
            "PUT",
            f"/v1/cameras/{quote_part(id)}/checks/{quote_part(at)}",
            models.Checks,
            body={"in": in_, "out": out},
            idempotency_key=idempotency_key,
        )

    def delete_check(
        self, id: str, at: str, *, idempotency_key: str | None = None
    ) -> models.Checks:
        """Delete the film of a minute without an answer, or, as an admin, an answer that is wrong."""
        return self._call(
            "DELETE",
            f"/v1/cameras/{quote_part(id)}/checks/{quote_part(at)}",
            models.Checks,
            idempotency_key=idempotency_key,
        )

    def make_claim_code(self, id: str, *, idempotency_key: str | None = None) -> models.ClaimCode:
        """Make a code by which a box gets this camera's key: once, within 15 minutes, until the camera gets another key."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/claim",
            models.ClaimCode,
            idempotency_key=idempotency_key,
        )

    def give_counts(
        self, id: str, *, minutes: list[models.MinuteSent], idempotency_key: str | None = None
    ) -> models.MinutesStored:
        """Report how many people crossed a camera's line, in whole minutes (UTC) of the last 30 days."""
        return self._call(
            "PUT",
            f"/v1/cameras/{quote_part(id)}/counts",
            models.MinutesStored,
            body={"minutes": minutes},
            idempotency_key=idempotency_key,
        )

    def void_counts(
        self,
        id: str,
        *,
        from_: datetime | str,
        to: datetime | str,
        idempotency_key: str | None = None,
    ) -> models.Voids:
        """Take a camera's minutes back that are wrong: they count nowhere, also if they are told again."""
        return self._call(
            "DELETE",
            f"/v1/cameras/{quote_part(id)}/counts",
            models.Voids,
            query={"from": from_, "to": to},
            idempotency_key=idempotency_key,
        )

    def get_film(self, id: str) -> models.Film:
        """Read the film that waits for somebody to say how many came in and went out."""
        return self._call("GET", f"/v1/cameras/{quote_part(id)}/film", models.Film)

    def give_film(
        self,
        id: str,
        *,
        at: datetime | str | float,
        seconds: int,
        in_: int,
        out: int,
        line: list[list[float]],
        grid: list[int],
        looks: list[models.LookSent],
        crossings: list[models.CrossingSent],
        walked: Picture,
        idempotency_key: str | None = None,
    ) -> None:
        """Send the film that was asked for, by the camera's own key alone."""
        self._call(
            "PUT",
            f"/v1/cameras/{quote_part(id)}/film",
            type(None),
            body={
                "at": at,
                "seconds": seconds,
                "in": in_,
                "out": out,
                "line": line,
                "grid": grid,
                "looks": looks,
                "crossings": crossings,
                "walked": in_base64(walked),
            },
            idempotency_key=idempotency_key,
        )

    def send_heartbeat(
        self,
        id: str,
        *,
        status: dict[str, str | int | float | bool | None] | UnsetType | None = UNSET,
        working: bool | UnsetType = UNSET,
        refused: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.CameraHeard:
        """Say how the camera is; answered with its settings."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/heartbeat",
            models.CameraHeard,
            body={"status": status, "working": working, "refused": refused},
            idempotency_key=idempotency_key,
        )

    def renew_camera_key(
        self, id: str, *, idempotency_key: str | None = None
    ) -> models.CameraKeyMade:
        """Make another key; the old one stops at once."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/key",
            models.CameraKeyMade,
            idempotency_key=idempotency_key,
        )

    def get_still(self, id: str) -> models.Still:
        """Read the last still, if it is no older than an hour. The key must see pictures."""
        return self._call("GET", f"/v1/cameras/{quote_part(id)}/still", models.Still)

    def ask_for_still(self, id: str, *, idempotency_key: str | None = None) -> models.Still:
        """Ask what the camera sees: its box answers after its next heartbeat, and quickly for ten minutes from then on."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/still",
            models.Still,
            idempotency_key=idempotency_key,
        )

    def give_still(self, id: str, *, picture: Picture, idempotency_key: str | None = None) -> None:
        """Send the still that was asked for: a JPEG of up to 256 KiB."""
        self._call(
            "PUT",
            f"/v1/cameras/{quote_part(id)}/still",
            type(None),
            body={"picture": in_base64(picture)},
            idempotency_key=idempotency_key,
        )

    def list_views(self, id: str) -> models.Views:
        """Read what the camera showed when the shop opened, today and on the morning before."""
        return self._call("GET", f"/v1/cameras/{quote_part(id)}/view", models.Views)

    def accept_view(self, id: str, *, idempotency_key: str | None = None) -> models.Camera:
        """Say that what the camera shows is right, though its box says that it has changed."""
        return self._call(
            "POST",
            f"/v1/cameras/{quote_part(id)}/view",
            models.Camera,
            idempotency_key=idempotency_key,
        )

    def give_view(self, id: str, *, picture: Picture, idempotency_key: str | None = None) -> None:
        """Send what the camera shows this morning, once a day: a JPEG of up to 256 KiB."""
        self._call(
            "PUT",
            f"/v1/cameras/{quote_part(id)}/view",
            type(None),
            body={"picture": in_base64(picture)},
            idempotency_key=idempotency_key,
        )

    def undo_void(
        self,
        id: str,
        *,
        from_: datetime | str,
        to: datetime | str,
        idempotency_key: str | None = None,
    ) -> models.Voids:
        """Have a camera's minutes count again that were void, whole or a part. Of an hour, minutes that were void when they were 30 days old count again once none of them is void. It answers with the voids that are left."""
        return self._call(
            "DELETE",
            f"/v1/cameras/{quote_part(id)}/voids",
            models.Voids,
            query={"from": from_, "to": to},
            idempotency_key=idempotency_key,
        )

    def list_captures(
        self,
        *,
        camera: str | UnsetType = UNSET,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        state: Literal["parked", "resolved", "stored"] | UnsetType = UNSET,
        faces: Literal["none", "skipped"] | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.CapturesPage, models.Capture]:
        """List the captures whose picture is there, newest first."""
        return self._pages(
            "/v1/captures",
            models.CapturesPage,
            lambda page: page.captures,
            query={
                "camera": camera,
                "from": from_,
                "to": to,
                "state": state,
                "faces": faces,
                "limit": limit,
                "token": token,
            },
        )

    def take_capture(
        self,
        *,
        picture: Picture,
        camera: str | UnsetType | None = UNSET,
        captured_at: datetime | str | float | UnsetType | None = UNSET,
        track: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Capture:
        """Send a capture in one step: offered, uploaded and stored when the answer comes, resolved a moment later."""
        return self._call(
            "POST",
            "/v1/captures",
            models.Capture,
            body={
                "picture": in_base64(picture),
                "camera": camera,
                "captured_at": captured_at,
                "track": track,
            },
            idempotency_key=idempotency_key,
        )

    def offer_captures(
        self, *, captures: list[models.OfferedCapture], idempotency_key: str | None = None
    ) -> models.Uploads:
        """Offer 1 to 100 captures; each that is wanted is answered with the request that stores its picture."""
        return self._call(
            "POST",
            "/v1/captures/uploads",
            models.Uploads,
            body={"captures": captures},
            idempotency_key=idempotency_key,
        )

    def get_capture(self, id: str, *, camera: str | UnsetType = UNSET) -> models.Capture:
        """Read one capture, one whose picture never came too."""
        return self._call(
            "GET", f"/v1/captures/{quote_part(id)}", models.Capture, query={"camera": camera}
        )

    def get_crop(
        self, id: str, n: str, *, camera: str | UnsetType = UNSET, book: str | UnsetType = UNSET
    ) -> bytes:
        """Show one face of a capture, cut out: 302 to a JPEG, which is kept as long as captures are."""
        return self._bytes(
            f"/v1/captures/{quote_part(id)}/crops/{quote_part(n)}",
            query={"camera": camera, "book": book},
        )

    def get_picture(
        self, id: str, *, camera: str | UnsetType = UNSET, book: str | UnsetType = UNSET
    ) -> bytes:
        """Show a whole capture: 302 to the picture, in which the faces of people who were erased or are restricted are a few grey cells."""
        return self._bytes(
            f"/v1/captures/{quote_part(id)}/picture", query={"camera": camera, "book": book}
        )

    def redrive_capture(
        self, id: str, *, camera: str | UnsetType | None = UNSET, idempotency_key: str | None = None
    ) -> models.Capture:
        """Send a parked capture again, once its cause is mended: a moment later it is resolved, or parked anew."""
        return self._call(
            "POST",
            f"/v1/captures/{quote_part(id)}/redrive",
            models.Capture,
            body={"camera": camera},
            idempotency_key=idempotency_key,
        )

    def get_thumbnail(
        self, id: str, *, camera: str | UnsetType = UNSET, book: str | UnsetType = UNSET
    ) -> bytes:
        """Show a whole capture, small: 302 to a JPEG of up to 320 pixels a side, which is kept as long as captures are."""
        return self._bytes(
            f"/v1/captures/{quote_part(id)}/thumbnail", query={"camera": camera, "book": book}
        )

    def claim_camera(self, *, code: str, idempotency_key: str | None = None) -> models.Claimed:
        """Take over a camera by a code, which is used up then: get another key of the camera; the old one stops at once."""
        return self._call(
            "POST",
            "/v1/claims",
            models.Claimed,
            body={"code": code},
            idempotency_key=idempotency_key,
        )

    def list_consents(
        self,
        *,
        expires_before: datetime | str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.ConsentsPage, models.Consent]:
        """List the records of all faces, the one that expires first at the beginning; last those that do not expire."""
        return self._pages(
            "/v1/consents",
            models.ConsentsPage,
            lambda page: page.consents,
            query={"expires_before": expires_before, "face": face, "limit": limit, "token": token},
        )

    def detect(
        self,
        *,
        picture: Picture,
        enrols: Literal["first", "further"] | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.DetectedPicture:
        """Find the faces of a picture, and say how good each is and what it shows."""
        return self._call(
            "POST",
            "/v1/detect",
            models.DetectedPicture,
            body={"picture": in_base64(picture), "enrols": enrols},
            idempotency_key=idempotency_key,
        )

    def list_dialects(self) -> models.DialectKeys:
        """Read when the keys that all clients of a dialect share were used last."""
        return self._call("GET", "/v1/dialects", models.DialectKeys)

    def renew_dialect_key(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        at_once: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.DialectKeyMade:
        """Make another App key or AppCode; the one before it holds for a day more, and one before that stops at once."""
        return self._call(
            "POST",
            f"/v1/dialects/{quote_part(id)}/key",
            models.DialectKeyMade,
            body={"name": name, "at_once": at_once},
            idempotency_key=idempotency_key,
        )

    def list_acts(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        by: str | UnsetType = UNSET,
        name: str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.ActsPage, models.Act]:
        """List what people did in the last 30 days, newest first: of all, somebody, a time or a name."""
        return self._pages(
            "/v1/done",
            models.ActsPage,
            lambda page: page.acts,
            query={
                "from": from_,
                "to": to,
                "by": by,
                "name": name,
                "face": face,
                "limit": limit,
                "token": token,
            },
        )

    def take_back(self, id: str, *, idempotency_key: str | None = None) -> models.Act:
        """Take an act back: what it changed is as it was before, by the operation that makes such changes."""
        return self._call(
            "POST", f"/v1/done/{quote_part(id)}/undo", models.Act, idempotency_key=idempotency_key
        )

    def list_duplicates(
        self, *, limit: int | UnsetType = UNSET, token: str | UnsetType = UNSET
    ) -> Pages[models.DuplicatesPage, models.Duplicate]:
        """List the pairs of faces that may be one person, by the lower id."""
        return self._pages(
            "/v1/duplicates",
            models.DuplicatesPage,
            lambda page: page.duplicates,
            query={"limit": limit, "token": token},
        )

    def finish_duplicate(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Say that the two are two people."""
        self._call(
            "POST",
            f"/v1/duplicates/{quote_part(id)}/done",
            type(None),
            idempotency_key=idempotency_key,
        )

    def list_erasures(
        self, *, limit: int | UnsetType = UNSET, token: str | UnsetType = UNSET
    ) -> Pages[models.ErasuresPage, models.Erasure]:
        """List the erasures, newest first, with their receipts."""
        return self._pages(
            "/v1/erasures",
            models.ErasuresPage,
            lambda page: page.erasures,
            query={"limit": limit, "token": token},
        )

    def get_erasure(self, id: str) -> models.Erasure:
        """Read how far an erasure is, and its receipt once it is done."""
        return self._call("GET", f"/v1/erasures/{quote_part(id)}", models.Erasure)

    def get_receipt_page(
        self,
        id: str,
        *,
        language: Literal["ar", "de", "en", "es", "fr", "it", "nl", "pt", "zh"] | UnsetType = UNSET,
        shops: list[str] | UnsetType = UNSET,
    ) -> models.ReceiptPage:
        """Write the receipt of an erasure for the person: why, what was done, what is left, and how to check it."""
        return self._call(
            "GET",
            f"/v1/erasures/{quote_part(id)}/page",
            models.ReceiptPage,
            query={"language": language, "shops": shops},
        )

    def begin_export(self, *, idempotency_key: str | None = None) -> None:
        """Say that you read the whole book now, to keep it elsewhere: the audit has an entry of that."""
        self._call("POST", "/v1/exports", type(None), idempotency_key=idempotency_key)

    def change_faces(
        self,
        *,
        ids: list[str],
        group: str | UnsetType = UNSET,
        labels: models.FaceLabels | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
        delete: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.FacesChanged:
        """Move, label, hide or delete up to 100 faces of any groups: each by itself, so that one that fails stops no other."""
        return self._call(
            "POST",
            "/v1/face-changes",
            models.FacesChanged,
            body={"ids": ids, "group": group, "labels": labels, "hidden": hidden, "delete": delete},
            idempotency_key=idempotency_key,
        )

    def list_face_ids(
        self,
        *,
        group: str | UnsetType = UNSET,
        known: bool | UnsetType = UNSET,
        listed: bool | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
        order: Literal["arrived", "enrolled", "id", "name", "visits"] | UnsetType = UNSET,
        desc: bool | UnsetType = UNSET,
    ) -> models.FaceIds:
        """List the ids of all faces of a group, or of all groups, in one answer."""
        return self._call(
            "GET",
            "/v1/face-ids",
            models.FaceIds,
            query={
                "group": group,
                "known": known,
                "listed": listed,
                "hidden": hidden,
                "order": order,
                "desc": desc,
            },
        )

    def list_faces(
        self,
        *,
        group: str | UnsetType = UNSET,
        order: Literal["arrived", "enrolled", "id", "name", "visits"] | UnsetType = UNSET,
        desc: bool | UnsetType = UNSET,
        ids: list[str] | UnsetType = UNSET,
        name: str | UnsetType = UNSET,
        listed: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.FacesPage, models.Face]:
        """List faces: of a group or of all, those of some ids, or those of a name."""
        return self._pages(
            "/v1/faces",
            models.FacesPage,
            lambda page: page.faces,
            query={
                "group": group,
                "order": order,
                "desc": desc,
                "ids": ids,
                "name": name,
                "listed": listed,
                "limit": limit,
                "token": token,
            },
        )

    def enrol_face(
        self,
        *,
        picture: Picture,
        group: str,
        id: str | UnsetType | None = UNSET,
        name: str | UnsetType = UNSET,
        note: str | UnsetType = UNSET,
        counter_note: str | UnsetType = UNSET,
        age: int | UnsetType | None = UNSET,
        gender: Literal["female", "male", "unknown"] | UnsetType | None = UNSET,
        attributes: dict[str, str] | UnsetType = UNSET,
        labels: models.FaceLabels | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
        consent: models.NewConsent | UnsetType | None = UNSET,
        if_known: Literal["enrol", "refuse"] | UnsetType = UNSET,
        if_erased: Literal["enrol", "refuse"] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.EnrolledFace:
        """Enrol somebody: the largest face of a picture becomes a face of a group."""
        return self._call(
            "POST",
            "/v1/faces",
            models.EnrolledFace,
            body={
                "picture": in_base64(picture),
                "group": group,
                "id": id,
                "name": name,
                "note": note,
                "counter_note": counter_note,
                "age": age,
                "gender": gender,
                "attributes": attributes,
                "labels": labels,
                "hidden": hidden,
                "consent": consent,
                "if_known": if_known,
                "if_erased": if_erased,
            },
            idempotency_key=idempotency_key,
        )

    def get_face(self, id: str) -> models.Face:
        """Read one enrolled face."""
        return self._call("GET", f"/v1/faces/{quote_part(id)}", models.Face)

    def change_face(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        note: str | UnsetType = UNSET,
        counter_note: str | UnsetType = UNSET,
        group: str | UnsetType = UNSET,
        age: int | UnsetType | None = UNSET,
        gender: Literal["female", "male", "unknown"] | UnsetType | None = UNSET,
        attributes: dict[str, str] | UnsetType = UNSET,
        labels: models.FaceLabels | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
        portrait: str | UnsetType | None = UNSET,
        revision: int | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Face:
        """Change what is sent; the rest stays."""
        return self._call(
            "PATCH",
            f"/v1/faces/{quote_part(id)}",
            models.Face,
            body={
                "name": name,
                "note": note,
                "counter_note": counter_note,
                "group": group,
                "age": age,
                "gender": gender,
                "attributes": attributes,
                "labels": labels,
                "hidden": hidden,
                "portrait": portrait,
                "revision": revision,
            },
            idempotency_key=idempotency_key,
        )

    def delete_face(
        self,
        id: str,
        *,
        erase: bool | UnsetType = UNSET,
        former: bool | UnsetType = UNSET,
        whole: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Erased | None:
        """Forget a face: its templates, pictures, names and merges. Its visits stay in the statistics."""
        return self._call_or_none(
            "DELETE",
            f"/v1/faces/{quote_part(id)}",
            models.Erased,
            query={"erase": erase, "former": former, "whole": whole},
            idempotency_key=idempotency_key,
        )

    def get_consent(self, id: str) -> models.Consent:
        """Read a face's record of consent."""
        return self._call("GET", f"/v1/faces/{quote_part(id)}/consent", models.Consent)

    def set_consent(
        self,
        id: str,
        *,
        basis: Literal[
            "consent", "employment", "legal_claims", "public_interest", "vital_interest"
        ],
        given_at: datetime | str | float,
        evidence: str | UnsetType = UNSET,
        expires_at: datetime | str | float | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Consent:
        """Write down on what basis a face is in the book, in place of what was written before."""
        return self._call(
            "PUT",
            f"/v1/faces/{quote_part(id)}/consent",
            models.Consent,
            body={
                "basis": basis,
                "given_at": given_at,
                "evidence": evidence,
                "expires_at": expires_at,
            },
            idempotency_key=idempotency_key,
        )

    def withdraw_consent(
        self,
        id: str,
        *,
        remember_basis: Literal[
            "consent", "employment", "legal_claims", "public_interest", "vital_interest"
        ]
        | UnsetType = UNSET,
        remember_evidence: str | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> None:
        """Take a face's record away. No undo of a merge brings it back."""
        self._call(
            "DELETE",
            f"/v1/faces/{quote_part(id)}/consent",
            type(None),
            query={"remember_basis": remember_basis, "remember_evidence": remember_evidence},
            idempotency_key=idempotency_key,
        )

    def get_everything(
        self,
        id: str,
        *,
        language: Literal["ar", "de", "en", "es", "fr", "it", "nl", "pt", "zh"] | UnsetType = UNSET,
        part: str | UnsetType = UNSET,
        shops: list[str] | UnsetType = UNSET,
    ) -> models.Everything:
        """Get all that is held about a person, as a zip file: `everything.json`, `index.html` to read, and pictures."""
        return self._call(
            "GET",
            f"/v1/faces/{quote_part(id)}/everything",
            models.Everything,
            query={"language": language, "part": part, "shops": shops},
        )

    def get_hold(self, id: str) -> models.Hold:
        """Read whether a face is under legal hold."""
        return self._call("GET", f"/v1/faces/{quote_part(id)}/hold", models.Hold)

    def change_hold(
        self,
        id: str,
        *,
        held: bool,
        reason: str,
        whole: bool | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Hold:
        """Set or lift the legal hold of a face, and of the other faces of its named face set, or of any face set (`whole`)."""
        return self._call(
            "PUT",
            f"/v1/faces/{quote_part(id)}/hold",
            models.Hold,
            body={"held": held, "reason": reason, "whole": whole},
            idempotency_key=idempotency_key,
        )

    def merge_faces(
        self, id: str, *, other: str, idempotency_key: str | None = None
    ) -> models.Merged:
        """Merge two faces that are one person; the face of the path absorbs the other one."""
        return self._call(
            "POST",
            f"/v1/faces/{quote_part(id)}/merge",
            models.Merged,
            body={"other": other},
            idempotency_key=idempotency_key,
        )

    def list_pictures(self, id: str) -> models.Pictures:
        """List the pictures of the face, the portrait first, then as they were added."""
        return self._call("GET", f"/v1/faces/{quote_part(id)}/pictures", models.Pictures)

    def add_picture(
        self,
        id: str,
        *,
        picture: Picture | UnsetType = UNSET,
        sighting: str | UnsetType = UNSET,
        trust: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Picture:
        """Have the face be known by one more photo of the person; it is found by the mean of eight at most."""
        return self._call(
            "POST",
            f"/v1/faces/{quote_part(id)}/pictures",
            models.Picture,
            body={
                "picture": UNSET if isinstance(picture, UnsetType) else in_base64(picture),
                "sighting": sighting,
                "trust": trust,
            },
            idempotency_key=idempotency_key,
        )

    def delete_picture(self, id: str, picture: str, *, idempotency_key: str | None = None) -> None:
        """Forget one picture and its templates; the face is found by the mean of the others."""
        self._call(
            "DELETE",
            f"/v1/faces/{quote_part(id)}/pictures/{quote_part(picture)}",
            type(None),
            idempotency_key=idempotency_key,
        )

    def list_rejections(self, id: str) -> Pages[models.Rejections, models.Rejection]:
        """List the sightings that were rejected for the face, newest first."""
        return self._pages(
            f"/v1/faces/{quote_part(id)}/rejections",
            models.Rejections,
            lambda page: page.rejections,
            query={},
        )

    def delete_rejection(
        self, id: str, sighting: str, *, idempotency_key: str | None = None
    ) -> None:
        """Take a rejection back: pictures like this one may be the face again."""
        self._call(
            "DELETE",
            f"/v1/faces/{quote_part(id)}/rejections/{quote_part(sighting)}",
            type(None),
            idempotency_key=idempotency_key,
        )

    def get_restriction(self, id: str) -> models.Restriction:
        """Read whether a face is restricted."""
        return self._call("GET", f"/v1/faces/{quote_part(id)}/restriction", models.Restriction)

    def change_restriction(
        self,
        id: str,
        *,
        restricted: bool,
        reason: str,
        whole: bool | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Restriction:
        """Restrict a face and all others of its named face set, or of any face set (`whole`), or lift that: GDPR, Article 18."""
        return self._call(
            "PUT",
            f"/v1/faces/{quote_part(id)}/restriction",
            models.Restriction,
            body={"restricted": restricted, "reason": reason, "whole": whole},
            idempotency_key=idempotency_key,
        )

    def list_sightings(
        self, id: str, *, limit: int | UnsetType = UNSET, token: str | UnsetType = UNSET
    ) -> Pages[models.SightingsPage, models.FaceSighting]:
        """List when the face was seen, newest first, and its arrivals, as far back as they are kept (100 days and more)."""
        return self._pages(
            f"/v1/faces/{quote_part(id)}/sightings",
            models.SightingsPage,
            lambda page: page.sightings,
            query={"limit": limit, "token": token},
        )

    def reject_sighting(
        self,
        id: str,
        sighting: str,
        *,
        other: str | UnsetType | None = UNSET,
        instead: Literal["new", "nobody", "stranger"] | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        visit: bool | UnsetType = UNSET,
        only: list[str] | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Rejected:
        """Say "not this person": the sighting leaves the face, and is resolved anew without it."""
        return self._call(
            "POST",
            f"/v1/faces/{quote_part(id)}/sightings/{quote_part(sighting)}/reject",
            models.Rejected,
            body={"other": other, "instead": instead, "name": name, "visit": visit, "only": only},
            idempotency_key=idempotency_key,
        )

    def list_similar(
        self,
        id: str,
        *,
        limit: int | UnsetType = UNSET,
        faces: list[str] | UnsetType = UNSET,
        sighting: str | UnsetType = UNSET,
        since: datetime | str | UnsetType = UNSET,
        listed: bool | UnsetType = UNSET,
    ) -> models.SimilarFaces:
        """List the faces that are most like a face, of all groups: who may be the same person, enrolled twice."""
        return self._call(
            "GET",
            f"/v1/faces/{quote_part(id)}/similar",
            models.SimilarFaces,
            query={
                "limit": limit,
                "faces": faces,
                "sighting": sighting,
                "since": since,
                "listed": listed,
            },
        )

    def get_fleet(self) -> models.Fleet:
        """Read the settings of whole boxes, and how far they are."""
        return self._call("GET", "/v1/fleet", models.Fleet)

    def change_fleet(
        self, *, settings: models.BoxSettings, idempotency_key: str | None = None
    ) -> models.Fleet:
        """Set what holds for whole boxes, in a wave: one box first."""
        return self._call(
            "PUT",
            "/v1/fleet",
            models.Fleet,
            body={"settings": settings},
            idempotency_key=idempotency_key,
        )

    def list_groups(self) -> Pages[models.Groups, models.Group]:
        """List all groups: `stranger` and `regular` first, then as they were made."""
        return self._pages("/v1/groups", models.Groups, lambda page: page.groups, query={})

    def add_group(
        self,
        *,
        name: str,
        capacity: int | UnsetType | None = UNSET,
        description: str | UnsetType = UNSET,
        attributes: list[str] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Group:
        """Make an empty group."""
        return self._call(
            "POST",
            "/v1/groups",
            models.Group,
            body={
                "name": name,
                "capacity": capacity,
                "description": description,
                "attributes": attributes,
            },
            idempotency_key=idempotency_key,
        )

    def get_group(self, id: str) -> models.Group:
        """Read one group, by its id."""
        return self._call("GET", f"/v1/groups/{quote_part(id)}", models.Group)

    def change_group(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        capacity: int | UnsetType | None = UNSET,
        description: str | UnsetType = UNSET,
        attributes: list[str] | UnsetType = UNSET,
        learns: bool | UnsetType = UNSET,
        staff: bool | UnsetType = UNSET,
        unseen_days: int | UnsetType | None = UNSET,
        revision: int | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Group:
        """Change what is sent; the rest stays."""
        return self._call(
            "PATCH",
            f"/v1/groups/{quote_part(id)}",
            models.Group,
            body={
                "name": name,
                "capacity": capacity,
                "description": description,
                "attributes": attributes,
                "learns": learns,
                "staff": staff,
                "unseen_days": unseen_days,
                "revision": revision,
            },
            idempotency_key=idempotency_key,
        )

    def delete_group(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Delete an empty group. 409 GroupNotEmpty if it holds faces: delete or move them first."""
        self._call(
            "DELETE", f"/v1/groups/{quote_part(id)}", type(None), idempotency_key=idempotency_key
        )

    def list_holds(self) -> Pages[models.Holds, models.Hold]:
        """List the faces under legal hold, by their ids."""
        return self._pages("/v1/holds", models.Holds, lambda page: page.holds, query={})

    def list_hooks(self) -> models.Hooks:
        """List all hooks, by age."""
        return self._call("GET", "/v1/hooks", models.Hooks)

    def add_hook(
        self,
        *,
        url: str | None,
        events: list[
            Literal[
                "face.arrived",
                "stranger.created",
                "stranger.promoted",
                "face.merged",
                "face.overdue",
                "week.ended",
                "group.full",
                "place.full",
                "place.free",
                "camera.silent",
                "camera.unwell",
                "camera.well",
            ]
        ]
        | UnsetType
        | None = UNSET,
        groups: list[str] | UnsetType | None = UNSET,
        cameras: list[str] | UnsetType | None = UNSET,
        enabled: bool | UnsetType = UNSET,
        name: str | UnsetType | None = UNSET,
        passes_to: str | UnsetType = UNSET,
        people: list[str] | UnsetType | None = UNSET,
        channel: models.Channel | UnsetType = UNSET,
        template: str | UnsetType = UNSET,
        hours: str | UnsetType = UNSET,
        pause_s: int | UnsetType = UNSET,
        picture: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.HookMade:
        """Add a hook and its secret, which is shown nowhere else."""
        return self._call(
            "POST",
            "/v1/hooks",
            models.HookMade,
            body={
                "events": events,
                "groups": groups,
                "cameras": cameras,
                "enabled": enabled,
                "name": name,
                "passes_to": passes_to,
                "people": people,
                "channel": channel,
                "template": template,
                "hours": hours,
                "pause_s": pause_s,
                "picture": picture,
                "url": url,
            },
            idempotency_key=idempotency_key,
        )

    def get_hook(self, id: str) -> models.Hook:
        """Read one hook."""
        return self._call("GET", f"/v1/hooks/{quote_part(id)}", models.Hook)

    def change_hook(
        self,
        id: str,
        *,
        events: list[
            Literal[
                "face.arrived",
                "stranger.created",
                "stranger.promoted",
                "face.merged",
                "face.overdue",
                "week.ended",
                "group.full",
                "place.full",
                "place.free",
                "camera.silent",
                "camera.unwell",
                "camera.well",
            ]
        ]
        | UnsetType
        | None = UNSET,
        groups: list[str] | UnsetType | None = UNSET,
        cameras: list[str] | UnsetType | None = UNSET,
        enabled: bool | UnsetType = UNSET,
        name: str | UnsetType | None = UNSET,
        passes_to: str | UnsetType = UNSET,
        people: list[str] | UnsetType | None = UNSET,
        channel: models.Channel | UnsetType = UNSET,
        template: str | UnsetType = UNSET,
        hours: str | UnsetType = UNSET,
        pause_s: int | UnsetType = UNSET,
        picture: bool | UnsetType = UNSET,
        url: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Hook:
        """Change what is sent; the rest stays."""
        return self._call(
            "PATCH",
            f"/v1/hooks/{quote_part(id)}",
            models.Hook,
            body={
                "events": events,
                "groups": groups,
                "cameras": cameras,
                "enabled": enabled,
                "name": name,
                "passes_to": passes_to,
                "people": people,
                "channel": channel,
                "template": template,
                "hours": hours,
                "pause_s": pause_s,
                "picture": picture,
                "url": url,
            },
            idempotency_key=idempotency_key,
        )

    def delete_hook(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Forget a hook with all that waits for it."""
        self._call(
            "DELETE", f"/v1/hooks/{quote_part(id)}", type(None), idempotency_key=idempotency_key
        )

    def acknowledge(
        self, id: str, *, ids: list[str], idempotency_key: str | None = None
    ) -> models.Acknowledged:
        """Take events out of a mailbox."""
        return self._call(
            "POST",
            f"/v1/hooks/{quote_part(id)}/ack",
            models.Acknowledged,
            body={"ids": ids},
            idempotency_key=idempotency_key,
        )

    def list_deliveries(
        self,
        id: str,
        *,
        state: Literal["parked", "pending"] | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.DeliveriesPage, models.Delivery]:
        """List what could not be delivered, or is still to be; what was delivered is gone."""
        return self._pages(
            f"/v1/hooks/{quote_part(id)}/deliveries",
            models.DeliveriesPage,
            lambda page: page.deliveries,
            query={"state": state, "limit": limit, "token": token},
        )

    def redeliver(self, id: str, *, idempotency_key: str | None = None) -> models.Redelivered:
        """Send again what is parked, and now what waits."""
        return self._call(
            "POST",
            f"/v1/hooks/{quote_part(id)}/redeliver",
            models.Redelivered,
            idempotency_key=idempotency_key,
        )

    def renew_hook_secret(
        self, id: str, *, idempotency_key: str | None = None
    ) -> models.HookSecretMade:
        """Make another secret."""
        return self._call(
            "POST",
            f"/v1/hooks/{quote_part(id)}/secret",
            models.HookSecretMade,
            idempotency_key=idempotency_key,
        )

    def test_hook(self, id: str, *, idempotency_key: str | None = None) -> models.TestSent:
        """Send the hook an event of kind `test`, whatever its filters are."""
        return self._call(
            "POST",
            f"/v1/hooks/{quote_part(id)}/test",
            models.TestSent,
            idempotency_key=idempotency_key,
        )

    def identify(
        self,
        *,
        picture: Picture,
        groups: list[str] | UnsetType | None = UNSET,
        k: int | UnsetType = UNSET,
        record: bool | UnsetType = UNSET,
        restricted: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.IdentifiedPicture:
        """Say who each face of a picture may be. Nothing is recorded unless `record` is true."""
        return self._call(
            "POST",
            "/v1/identify",
            models.IdentifiedPicture,
            body={
                "picture": in_base64(picture),
                "groups": groups,
                "k": k,
                "record": record,
                "restricted": restricted,
            },
            idempotency_key=idempotency_key,
        )

    def list_keys(self) -> models.Keys:
        """List all keys: the tenant's first one, then the others by age."""
        return self._call("GET", "/v1/keys", models.Keys)

    def add_key(
        self,
        *,
        name: str,
        role: Literal["admin", "operator", "viewer"] | UnsetType = UNSET,
        pictures: bool | UnsetType = UNSET,
        expires_at: datetime | str | float | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.KeyMade:
        """Make a key, so that each person and each program has its own; its secret is shown nowhere else."""
        return self._call(
            "POST",
            "/v1/keys",
            models.KeyMade,
            body={"name": name, "role": role, "pictures": pictures, "expires_at": expires_at},
            idempotency_key=idempotency_key,
        )

    def change_key(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        role: Literal["admin", "operator", "viewer"] | UnsetType = UNSET,
        pictures: bool | UnsetType = UNSET,
        expires_at: datetime | str | float | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Key:
        """Change what is sent; it holds from the key's next request on."""
        return self._call(
            "PATCH",
            f"/v1/keys/{quote_part(id)}",
            models.Key,
            body={"name": name, "role": role, "pictures": pictures, "expires_at": expires_at},
            idempotency_key=idempotency_key,
        )

    def delete_key(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Delete a key; it and the sessions that it began stop at once."""
        self._call(
            "DELETE", f"/v1/keys/{quote_part(id)}", type(None), idempotency_key=idempotency_key
        )

    def renew_key(self, id: str, *, idempotency_key: str | None = None) -> models.KeyRenewed:
        """Make another secret; the old one and the sessions that it began stop at once."""
        return self._call(
            "POST",
            f"/v1/keys/{quote_part(id)}/renew",
            models.KeyRenewed,
            idempotency_key=idempotency_key,
        )

    def list_members(self) -> models.Members:
        """List who may sign in, by age. Keys, which programs sign in by, are at `GET /v1/keys`."""
        return self._call("GET", "/v1/members", models.Members)

    def add_member(
        self,
        *,
        name: str,
        role: Literal["admin", "operator", "viewer"] | UnsetType = UNSET,
        pictures: bool | UnsetType = UNSET,
        screen: bool | UnsetType = UNSET,
        page: Literal["counter", "report", "traffic", "visits"] | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.MemberInvited:
        """Invite somebody, or a screen on the wall."""
        return self._call(
            "POST",
            "/v1/members",
            models.MemberInvited,
            body={"name": name, "role": role, "pictures": pictures, "screen": screen, "page": page},
            idempotency_key=idempotency_key,
        )

    def change_member(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        role: Literal["admin", "operator", "viewer"] | UnsetType = UNSET,
        pictures: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Member:
        """Change what is sent; it holds from the person's next request on."""
        return self._call(
            "PATCH",
            f"/v1/members/{quote_part(id)}",
            models.Member,
            body={"name": name, "role": role, "pictures": pictures},
            idempotency_key=idempotency_key,
        )

    def delete_member(
        self, id: str, *, end: str | UnsetType = UNSET, idempotency_key: str | None = None
    ) -> models.MadeAccesses:
        """Remove somebody, whose sessions and link end at once, and list what this member made that stands still."""
        return self._call(
            "DELETE",
            f"/v1/members/{quote_part(id)}",
            models.MadeAccesses,
            query={"end": end},
            idempotency_key=idempotency_key,
        )

    def invite_member(self, id: str, *, idempotency_key: str | None = None) -> models.MemberInvited:
        """Make another link, to sign in on another device or to set a password anew; the one before is good no more."""
        return self._call(
            "POST",
            f"/v1/members/{quote_part(id)}/invitation",
            models.MemberInvited,
            idempotency_key=idempotency_key,
        )

    def list_made(self, id: str) -> models.MadeAccesses:
        """List what somebody made that stands, and the browsers that are signed in as them."""
        return self._call("GET", f"/v1/members/{quote_part(id)}/made", models.MadeAccesses)

    def end_made(self, id: str, access: str, *, idempotency_key: str | None = None) -> None:
        """End one of them, such as `key 12`: a key, hook, screen or link, the key of a camera, which gets another one, or a browser that is signed in."""
        self._call(
            "DELETE",
            f"/v1/members/{quote_part(id)}/made/{quote_part(access)}",
            type(None),
            idempotency_key=idempotency_key,
        )

    def remove_passkey(self, id: str, passkey: str, *, idempotency_key: str | None = None) -> None:
        """Remove a passkey, of a lost phone say; the person is signed out everywhere."""
        self._call(
            "DELETE",
            f"/v1/members/{quote_part(id)}/passkeys/{quote_part(passkey)}",
            type(None),
            idempotency_key=idempotency_key,
        )

    def list_merges(
        self,
        *,
        face: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.MergesPage, models.Merge]:
        """List the merges of the last 30 days, by the face that absorbed the other, oldest first; none of faces that are restricted, so a page may have fewer."""
        return self._pages(
            "/v1/merges",
            models.MergesPage,
            lambda page: page.merges,
            query={"face": face, "limit": limit, "token": token},
        )

    def undo_merge(self, id: str, *, idempotency_key: str | None = None) -> models.Merged:
        """Undo a merge: the other face comes back as it was; what was sighted since the merge stays with the face."""
        return self._call(
            "POST",
            f"/v1/merges/{quote_part(id)}/undo",
            models.Merged,
            idempotency_key=idempotency_key,
        )

    def mute_cameras(
        self,
        *,
        until: datetime | str | float | None,
        camera: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Cameras:
        """Have nobody told that a camera, or any, needs somebody until a time: no hook and no red line."""
        return self._call(
            "PUT",
            "/v1/mute",
            models.Cameras,
            body={"until": until, "camera": camera},
            idempotency_key=idempotency_key,
        )

    def get_notice(
        self,
        *,
        language: Literal["ar", "de", "en", "es", "fr", "it", "nl", "pt", "zh"] | UnsetType = UNSET,
        layer: Literal["sheet", "whole"] | UnsetType = UNSET,
    ) -> models.Notice:
        """Write the notice to post where the cameras look, from the settings of the tenant, its cameras and its hooks."""
        return self._call(
            "GET", "/v1/notice", models.Notice, query={"language": language, "layer": layer}
        )

    def list_observations(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        kind: Literal["enrolment", "search", "sighting"] | UnsetType = UNSET,
        camera: str | UnsetType = UNSET,
        group: str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.ObservationsPage, models.Observation]:
        """List what was observed, newest first, without counting it."""
        return self._pages(
            "/v1/observations",
            models.ObservationsPage,
            lambda page: page.observations,
            query={
                "from": from_,
                "to": to,
                "kind": kind,
                "camera": camera,
                "group": group,
                "face": face,
                "limit": limit,
                "token": token,
            },
        )

    def get_document(self) -> dict[str, Any]:
        """Read this document, in JSON."""
        return self._call("GET", "/v1/openapi.json", dict[str, Any])

    def list_places(self, *, days: int | UnsetType = UNSET) -> models.Places:
        """List the places, and how many people are inside."""
        return self._call("GET", "/v1/places", models.Places, query={"days": days})

    def add_place(
        self,
        *,
        name: str,
        doors: list[str],
        full_at: int | UnsetType | None = UNSET,
        free_at: int | UnsetType | None = UNSET,
        inside: int | UnsetType = UNSET,
        takes: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Place:
        """Make a place of cameras that count at its doors."""
        return self._call(
            "POST",
            "/v1/places",
            models.Place,
            body={
                "name": name,
                "doors": doors,
                "full_at": full_at,
                "free_at": free_at,
                "inside": inside,
                "takes": takes,
            },
            idempotency_key=idempotency_key,
        )

    def get_place(self, id: str) -> models.Place:
        """Read one place, with the openings of today."""
        return self._call("GET", f"/v1/places/{quote_part(id)}", models.Place)

    def change_place(
        self,
        id: str,
        *,
        name: str | UnsetType = UNSET,
        doors: list[str] | UnsetType = UNSET,
        full_at: int | UnsetType | None = UNSET,
        free_at: int | UnsetType | None = UNSET,
        inside: int | UnsetType = UNSET,
        takes: bool | UnsetType = UNSET,
        revision: int | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Place:
        """Change what is sent; the rest stays. `doors` takes the place of all."""
        return self._call(
            "PATCH",
            f"/v1/places/{quote_part(id)}",
            models.Place,
            body={
                "name": name,
                "doors": doors,
                "full_at": full_at,
                "free_at": free_at,
                "inside": inside,
                "takes": takes,
                "revision": revision,
            },
            idempotency_key=idempotency_key,
        )

    def delete_place(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Forget a place. What was counted at its doors stays, and is of no other place."""
        self._call(
            "DELETE", f"/v1/places/{quote_part(id)}", type(None), idempotency_key=idempotency_key
        )

    def correct_inside(
        self, id: str, *, inside: int, idempotency_key: str | None = None
    ) -> models.Place:
        """Say how many are inside now. Minutes that begin later add to that."""
        return self._call(
            "PUT",
            f"/v1/places/{quote_part(id)}/inside",
            models.Place,
            body={"inside": inside},
            idempotency_key=idempotency_key,
        )

    def get_push_key(self) -> models.PushKey:
        """Read the key by which browsers' push services know this service."""
        return self._call("GET", "/v1/push-key", models.PushKey)

    def list_restrictions(
        self, *, token: str | UnsetType = UNSET
    ) -> Pages[models.Restrictions, models.Restriction]:
        """List the restricted faces (GDPR, Article 18), and those whose consent has ended."""
        return self._pages(
            "/v1/restrictions",
            models.Restrictions,
            lambda page: page.restrictions,
            query={"token": token},
        )

    def get_retention(
        self,
        *,
        strangers: Literal["forget", "keep", "undecided"] | UnsetType = UNSET,
        stranger_days: int | UnsetType = UNSET,
    ) -> models.Retention:
        """Say what the sweep deletes next and within seven days, by the settings as they are, and which strangers another choice would delete."""
        return self._call(
            "GET",
            "/v1/retention",
            models.Retention,
            query={"strangers": strangers, "stranger_days": stranger_days},
        )

    def list_reviews(
        self,
        *,
        kind: Literal["promoted", "uncertain"] | UnsetType = UNSET,
        listed: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
    ) -> Pages[models.ReviewsPage, models.Review]:
        """List what somebody should look at: uncertain matches newest first, then regulars whom nobody has named."""
        return self._pages(
            "/v1/reviews",
            models.ReviewsPage,
            lambda page: page.reviews,
            query={"kind": kind, "listed": listed, "limit": limit, "token": token},
        )

    def finish_review(self, id: str, *, idempotency_key: str | None = None) -> None:
        """Say that nobody needs to look at this any more. Nothing else is changed."""
        self._call(
            "POST",
            f"/v1/reviews/{quote_part(id)}/done",
            type(None),
            idempotency_key=idempotency_key,
        )

    def get_session(self) -> models.CurrentSession:
        """Say who is signed in, or whose key it is, and what it may do."""
        return self._call("GET", "/v1/session", models.CurrentSession)

    def begin_session(
        self,
        *,
        api_key: str | UnsetType | None = UNSET,
        code: str | UnsetType | None = UNSET,
        invitation: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        password: str | UnsetType | None = UNSET,
        passkey: models.PasskeyAnswer | UnsetType | None = UNSET,
        tenant: str | UnsetType | None = UNSET,
        keep: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.CurrentSession:
        """Sign in: by a key, a code, an invitation, a password or a passkey, for a cookie of twelve hours or thirty days."""
        return self._call(
            "POST",
            "/v1/session",
            models.CurrentSession,
            body={
                "api_key": api_key,
                "code": code,
                "invitation": invitation,
                "name": name,
                "password": password,
                "passkey": passkey,
                "tenant": tenant,
                "keep": keep,
            },
            idempotency_key=idempotency_key,
        )

    def end_session(self, *, idempotency_key: str | None = None) -> None:
        """Sign out: end the session of the cookie, and of no other shop."""
        self._call("DELETE", "/v1/session", type(None), idempotency_key=idempotency_key)

    def make_challenge(
        self, *, invitation: str | UnsetType | None = UNSET, idempotency_key: str | None = None
    ) -> models.Challenge:
        """Ask for what a passkey has to sign, to sign in or, with an invitation, to make one; and whom that is for."""
        return self._call(
            "POST",
            "/v1/session/challenge",
            models.Challenge,
            body={"invitation": invitation},
            idempotency_key=idempotency_key,
        )

    def get_settings(self) -> models.Settings:
        """Read the tenant's settings."""
        return self._call("GET", "/v1/settings", models.Settings)

    def change_settings(
        self,
        *,
        display_name: str | UnsetType = UNSET,
        time_zone: str | UnsetType = UNSET,
        arrive_times: int | UnsetType = UNSET,
        period_days: int | UnsetType = UNSET,
        language: Literal["ar", "de", "en", "es", "fr", "it", "nl", "pt", "zh"] | UnsetType = UNSET,
        week_begins: Literal["language", "monday", "saturday", "sunday"] | UnsetType = UNSET,
        opening: str | UnsetType = UNSET,
        attributes_off: list[Literal["age", "beauty", "emotion", "gender", "liveness", "pose"]]
        | UnsetType = UNSET,
        feelings: bool | UnsetType = UNSET,
        least_liveness: float | UnsetType | None = UNSET,
        least_gender: float | UnsetType | None = UNSET,
        min_age: float | UnsetType | None = UNSET,
        fpir: float | UnsetType | None = UNSET,
        enrol_quality: float | UnsetType | None = UNSET,
        review_margin: float | UnsetType = UNSET,
        learns: bool | UnsetType = UNSET,
        learnt_days: int | UnsetType | None = UNSET,
        deletes_erase: bool | UnsetType = UNSET,
        strangers: Literal["forget", "keep", "undecided"] | UnsetType = UNSET,
        strangers_decided_by: str | UnsetType = UNSET,
        restore_gap: str | UnsetType = UNSET,
        consent_required: bool | UnsetType = UNSET,
        expired_consent_erases: bool | UnsetType = UNSET,
        ended_days: int | UnsetType = UNSET,
        remembered_days: int | UnsetType = UNSET,
        controller: str | UnsetType = UNSET,
        contact: str | UnsetType = UNSET,
        purposes: str | UnsetType = UNSET,
        basis: str | UnsetType = UNSET,
        officer: str | UnsetType = UNSET,
        authority: str | UnsetType = UNSET,
        recipients: str | UnsetType = UNSET,
        transfers: str | UnsetType = UNSET,
        notice_url: str | UnsetType = UNSET,
        keeps_pictures: bool | UnsetType = UNSET,
        no_pictures_of: list[str] | UnsetType = UNSET,
        capture_days: int | UnsetType | None = UNSET,
        sighting_days: int | UnsetType | None = UNSET,
        stranger_days: int | UnsetType | None = UNSET,
        regular_days: int | UnsetType | None = UNSET,
        observation_days: int | UnsetType | None = UNSET,
        audit_days: int | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Settings:
        """Change what is sent, all or nothing; the rest stays."""
        return self._call(
            "PATCH",
            "/v1/settings",
            models.Settings,
            body={
                "display_name": display_name,
                "time_zone": time_zone,
                "arrive_times": arrive_times,
                "period_days": period_days,
                "language": language,
                "week_begins": week_begins,
                "opening": opening,
                "attributes_off": attributes_off,
                "feelings": feelings,
                "least_liveness": least_liveness,
                "least_gender": least_gender,
                "min_age": min_age,
                "fpir": fpir,
                "enrol_quality": enrol_quality,
                "review_margin": review_margin,
                "learns": learns,
                "learnt_days": learnt_days,
                "deletes_erase": deletes_erase,
                "strangers": strangers,
                "strangers_decided_by": strangers_decided_by,
                "restore_gap": restore_gap,
                "consent_required": consent_required,
                "expired_consent_erases": expired_consent_erases,
                "ended_days": ended_days,
                "remembered_days": remembered_days,
                "controller": controller,
                "contact": contact,
                "purposes": purposes,
                "basis": basis,
                "officer": officer,
                "authority": authority,
                "recipients": recipients,
                "transfers": transfers,
                "notice_url": notice_url,
                "keeps_pictures": keeps_pictures,
                "no_pictures_of": no_pictures_of,
                "capture_days": capture_days,
                "sighting_days": sighting_days,
                "stranger_days": stranger_days,
                "regular_days": regular_days,
                "observation_days": observation_days,
                "audit_days": audit_days,
            },
            idempotency_key=idempotency_key,
        )

    def get_signing_key(self) -> models.SigningKey:
        """Read the public keys that this tenant's receipts are checked with: the one in use, and those before it."""
        return self._call("GET", "/v1/signing-key", models.SigningKey)

    def get_statistics_csv(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        by: Literal["day", "hour", "month", "week"] | UnsetType = UNSET,
        measure: Literal["arrivals", "observations", "persons", "present"] | UnsetType = UNSET,
        split: Literal[
            "again",
            "age",
            "camera",
            "gender",
            "group",
            "kind",
            "labels.a",
            "labels.b",
            "labels.c",
            "labels.d",
            "stay",
            "visit",
        ]
        | UnsetType = UNSET,
        kind: Literal["all", "enrolment", "search", "sighting"] | UnsetType = UNSET,
        camera: str | UnsetType = UNSET,
        group: str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        staff: bool | UnsetType = UNSET,
        entries: bool | UnsetType = UNSET,
    ) -> bytes:
        """Count arrivals, persons or observations by hour, day, week or month of the tenant's time zone."""
        return self._bytes(
            "/v1/statistics",
            query={
                "from": from_,
                "to": to,
                "by": by,
                "measure": measure,
                "split": split,
                "kind": kind,
                "camera": camera,
                "group": group,
                "face": face,
                "staff": staff,
                "entries": entries,
                "format": "csv",
            },
        )

    def get_statistics(
        self,
        *,
        from_: datetime | str | UnsetType = UNSET,
        to: datetime | str | UnsetType = UNSET,
        by: Literal["day", "hour", "month", "week"] | UnsetType = UNSET,
        measure: Literal["arrivals", "observations", "persons", "present"] | UnsetType = UNSET,
        split: Literal[
            "again",
            "age",
            "camera",
            "gender",
            "group",
            "kind",
            "labels.a",
            "labels.b",
            "labels.c",
            "labels.d",
            "stay",
            "visit",
        ]
        | UnsetType = UNSET,
        kind: Literal["all", "enrolment", "search", "sighting"] | UnsetType = UNSET,
        camera: str | UnsetType = UNSET,
        group: str | UnsetType = UNSET,
        face: str | UnsetType = UNSET,
        staff: bool | UnsetType = UNSET,
        entries: bool | UnsetType = UNSET,
    ) -> models.Statistics:
        """Count arrivals, persons or observations by hour, day, week or month of the tenant's time zone."""
        return self._call(
            "GET",
            "/v1/statistics",
            models.Statistics,
            query={
                "from": from_,
                "to": to,
                "by": by,
                "measure": measure,
                "split": split,
                "kind": kind,
                "camera": camera,
                "group": group,
                "face": face,
                "staff": staff,
                "entries": entries,
            },
        )

    def get_usage(self) -> models.Usage:
        """Read what the tenant has and used, and the most that it may."""
        return self._call("GET", "/v1/usage", models.Usage)

    def get_usual(self) -> models.UsualWeek:
        """Read what is usual, to hold a day against."""
        return self._call("GET", "/v1/usual", models.UsualWeek)

    def verify(
        self,
        *,
        picture: Picture,
        face: str | UnsetType | None = UNSET,
        other: Picture | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> models.Verified:
        """Say whether a picture's largest face is a certain enrolled face, or that of another picture."""
        return self._call(
            "POST",
            "/v1/verify",
            models.Verified,
            body={
                "picture": in_base64(picture),
                "face": face,
                "other": UNSET if isinstance(other, UnsetType) else in_base64(other),
            },
            idempotency_key=idempotency_key,
        )

    def list_voids(self) -> models.Voids:
        """List the times whose counts of a camera are void, by camera and time. Times that follow each other are one. The audit says who made them."""
        return self._call("GET", "/v1/voids", models.Voids)
