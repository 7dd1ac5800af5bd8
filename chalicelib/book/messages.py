"""Messages to people about events, by the channels of hooks.

A hook with a channel notifies people. Its event is written, sent, repeated and erased like any
other hook's (book/webhooks). This module decides at the time of sending whether to send a message,
and with which text. See docs/decisions/0098.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chalicelib.book.web_push import (
    check_browser_key,
    choose_subject,
    new_key,
    public_key,
    write_push,
)
from chalicelib.domain.channels import (
    DEFAULT_TEMPLATE,
    UNNAMED_TEMPLATE,
    WITH_PICTURE,
    Channel,
    channel_from,
    channel_text,
    check_channel,
    check_hours,
    check_template,
    event_values,
    from_base64url,
    message_text,
    write_message,
)
from chalicelib.domain.errors import Busy, InvalidInput, Unusable
from chalicelib.domain.events import EventKind
from chalicelib.domain.grounds import has_ground
from chalicelib.domain.model import STRANGER, Face, Tenant
from chalicelib.domain.rules.camera_states import is_muted
from chalicelib.domain.texts import Texts
from chalicelib.domain.webhooks import (
    TAKEN_BACK,
    Delivery,
    Hook,
    Way,
    hook_from,
    name_push,
    note_push,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import write, write_unless_changed
from chalicelib.storage.ports import (
    Answered,
    Delete,
    Put,
    SenderRefused,
    Update,
    absent,
    equals,
    exists,
)
from chalicelib.storage.records.captures import camera_from
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.values import milliseconds, moment_of_text, time_text

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_SENT, _GONE = Answered(200), Answered(410)
"""Answers that stand for a mail that was sent, and for a browser that is gone."""
_SENDER_REFUSED = (401, 403)
"""Answers of a push service about the token of the sender (RFC 8292, 4.2)."""
_OTHER_KEY = "VapidPkHashMismatch"
"""Apple's reason if a browser joined by a key that the sender has no more."""
_REMEDY = {
    True: "have this browser join once more",
    False: "set the shop's `contact` to a mail address, or `public_url` to an https address of the "
    "internet",
}
"""Remedies of a refusal, by whether the token names somebody."""
_NO_LONGER_THERE = (404, 410)
"""Answers of a push service about a browser that wants nothing any more (RFC 8030, 7.3)."""


class Messages(Service["Book"]):
    def check_hook(self, hook: Hook, channel: Channel) -> tuple[Hook, Channel]:
        """Return a hook that notifies people, and its channel, as they are stored.

        Raises InvalidInput.
        """
        channel = check_channel(channel)
        if channel.way is Way.MAIL and self.services.ports.mailer is None:
            raise InvalidInput(
                "no mail is sent from here: the operator sets smtp_host and smtp_from on the box "
                "first"
            )
        if channel.way is not Way.MAIL:
            try:
                self.services.ports.postman.require_url(channel.url)
            except InvalidInput as error:
                raise InvalidInput(str(error), field="channel.url") from error
        if channel.way is Way.PUSH:
            check_browser_key(from_base64url(channel.p256dh))
        if hook.picture and channel.way not in WITH_PICTURE:
            raise InvalidInput(
                f"{channel.way} takes no picture: {', '.join(sorted(WITH_PICTURE))} do"
            )
        checked = replace(
            hook, way=channel.way, address=channel.address, hours=check_hours(hook.hours)
        )
        at_first = UNNAMED_TEMPLATE if checked.is_of_a_person else DEFAULT_TEMPLATE
        is_of_other_way = hook.way not in (None, channel.way) and hook.template == DEFAULT_TEMPLATE
        template = at_first if is_of_other_way else hook.template or at_first
        check_template(template, hook.kinds, channel)
        return replace(checked, template=template), channel

    def seal_channel(self, tenant: str, hook: Hook, channel: Channel) -> bytes:
        """Encrypt a channel. The push sender is made here, because the process that sends pushes
        writes no keys."""
        if channel.way is Way.PUSH:
            self._read_private_key(tenant)
        return self.services.storage.vault.seal(
            channel_text(channel), keys.hook_secret(tenant, hook.id)
        )

    def read_channel(self, tenant: str, hook: Hook) -> Channel:
        """Return a hook's channel, in the clear."""
        return channel_from(
            self.services.storage.vault.unseal(
                hook.sealed_secret, keys.hook_secret(tenant, hook.id)
            )
        )

    def read_push_key(self, tenant: str, origin: str = "") -> str:
        """Return the public key by which browsers identify this tenant's push sender; the first
        call makes it.

        `origin`: of the page that asks, as https://box.example. If its host is real, push services
        are told it where the tenant has neither a `contact` nor a `public_url`. Raises Busy.
        """
        key = public_key(self._read_private_key(tenant))
        if choose_subject("", origin) and origin != self._read_origin(tenant):
            row, if_there = keys.push_key(tenant), (exists("key-there"),)
            update = Update(keys.HOOKS, row, if_there, set={"origin": origin})
            write_unless_changed(self.services.items, [update])
        return key

    def _read_origin(self, tenant: str) -> str:
        """Return the origin at which a browser subscribed last; "": none with a real host."""
        item = self.services.items.get(keys.HOOKS, keys.push_key(tenant)) or {}
        return str(item.get("origin", ""))

    def _choose_subject(self, tenant: Tenant) -> str:
        """Choose whom push services may ask about this tenant's pushes; "": nobody real."""
        public_url = self.services.settings.public_url
        return choose_subject(tenant.contact, public_url, self._read_origin(tenant.name))

    def _read_private_key(self, tenant: str) -> str:
        item_key, context = keys.push_key(tenant), keys.hook_secret(tenant, keys.PUSH_KEY)
        if item := self.services.items.get(keys.HOOKS, item_key):
            return self.services.storage.vault.unseal(bytes(item["secret"]), context)
        item_made = {
            "tenant": tenant,
            "id": keys.PUSH_KEY,
            "secret": self.services.storage.vault.seal(new_key(), context),
        }
        write_unless_changed(
            self.services.items, [Put(keys.HOOKS, item_made, (absent("key-free"),))]
        )
        return self._read_private_key(tenant)

    def forget_push_key(self, tenant: str) -> None:
        """Delete the push sender if its encryption key was lost: the next browser that asks makes
        another."""
        write(self.services.items, [Delete(keys.HOOKS, keys.push_key(tenant))])

    def send_message(self, hook: Hook, delivery: Delivery) -> Answered | None:
        """Send a delivery's message; return the answer, or None if people are not to be notified
        now.

        Raises InvalidInput, Unusable and Busy, as the ports say.
        """
        tenant = self.services.tenants.read_stored(delivery.tenant)
        if delivery.kind == TAKEN_BACK:
            return self._take_back(hook, delivery, tenant)
        event: Mapping[str, Any] = json.loads(delivery.payload)
        zone = ZoneInfo(tenant.time_zone)
        event_time = moment_of_text(event["at"]).astimezone(zone)
        face = self._find_face(delivery.tenant, event)
        if delivery.kind != EventKind.TEST and not self._is_wanted(
            hook, delivery, tenant, event_time, face
        ):
            return None
        if not self.claim_pause(hook, delivery):
            return None
        camera = self._read_camera_name(delivery.tenant, event)
        values = event_values(event, zone, tenant.shown_name, camera, texts=Texts(tenant.language))
        answer = None
        try:
            picture = self._load_thumbnail(tenant, face) if hook.picture and face else None
            faceid = face.faceid if face else ""
            if hook.way == Way.PUSH and face and (face.name or face.group_id != STRANGER):
                self._note_push(delivery, faceid)
                # who went meanwhile has not taken this push back
                now_there = self._find_face(delivery.tenant, event)
                if not self._is_wanted(hook, delivery, tenant, event_time, now_there):
                    return None
            answer = self._send_by_channel(hook, tenant, values, picture=picture, faceid=faceid)
        finally:
            if answer is None or not answer.is_well:
                self._release_pause(hook, delivery)
        return answer

    def find_due_at(self, hook: Hook, delivery: Delivery) -> datetime | None:
        """Return when a delivery is due that `send_message` did not send, since it waits for the
        hook's hours; None: it waits for nothing."""
        if not delivery.waits_for_hours:
            return None
        zone = ZoneInfo(self.services.tenants.read_stored(delivery.tenant).time_zone)
        now = self.services.clock.now().astimezone(zone)
        return None if hook.is_within_hours(now) else hook.find_next_begin(now)

    def _is_wanted(
        self, hook: Hook, delivery: Delivery, tenant: Tenant, at: datetime, face: Face | None
    ) -> bool:
        """Tell whether people are told: at these hours, and of this person.

        A week is told once, whatever the hours. What is wrong with a camera counts as of the time
        at which it is told, and one that has waited for the hours is told if it still lasts.
        """
        if delivery.waits_for_hours:
            now, zone = self.services.clock.now(), ZoneInfo(tenant.time_zone)
            if hook.is_within_hours(delivery.created_at.astimezone(zone)):
                return True
            return hook.is_within_hours(now.astimezone(zone)) and self._lasts(delivery)
        if delivery.kind != EventKind.WEEK_ENDED and not hook.is_within_hours(at):
            return False
        names_a_face = bool(json.loads(delivery.payload)["data"].get("faceid"))
        return not names_a_face or (face is not None and self._may_be_told(tenant, face))

    def _lasts(self, delivery: Delivery) -> bool:
        """Tell whether that very trouble of a camera is still there, and nobody muted it.

        A camera that fails again and again until the hours begin is told once, by the last time.
        """
        payload = json.loads(delivery.payload)
        item = self.services.items.get(keys.CAMERAS, (delivery.tenant, payload["camera"]))
        camera = camera_from(item) if item else None
        if camera is None or not camera.enabled or is_muted(camera, self.services.clock.now()):
            return False
        if delivery.kind == EventKind.CAMERA_SILENT:
            heard_at = camera.last_seen_at and time_text(camera.last_seen_at)
            return camera.told_trouble != "" and payload["data"]["last_seen_at"] == heard_at
        began_at = camera.trouble_since or camera.created_at
        is_same = camera.told_trouble == payload["data"]["trouble"]
        return is_same and delivery.created_at >= began_at

    def _may_be_told(self, tenant: Tenant, face: Face) -> bool:
        """Tell whether somebody may be spoken of: not of people who are restricted, hidden, or
        without a ground."""
        if face.restriction is not None or face.group_id in tenant.hidden:
            return False
        consent = face.consent
        if (
            consent is not None
            and consent.expires_at is not None
            and consent.expires_at <= self.services.clock.now()
        ):
            return False
        return not tenant.consent_required or has_ground(consent)

    def claim_pause(self, hook: Hook, delivery: Delivery) -> bool:
        """Claim to be the one message of a hook's pause. Return whether this message has the claim.

        In a pause of ten minutes, one message of each kind of event is sent. A repeat of that
        message has the claim, too. Raises Busy if another message of the hook is sent at this
        moment.
        """
        if not (topic := hook.find_paused_topic(delivery)):
            return True
        claims = _parse_claims(hook)
        event_hash = _hash_event_id(delivery)
        at_ms = milliseconds(delivery.created_at)
        running_claims = {
            claimed_topic: begin_and_hash
            for claimed_topic, begin_and_hash in claims.items()
            if abs(at_ms - begin_and_hash[0]) < hook.pause_s * 1000
        }
        if topic in running_claims:
            _, claimed_event_hash = running_claims[topic]
            return bool(claimed_event_hash == event_hash)
        if not self._write_claims(hook, delivery, {**running_claims, topic: [at_ms, event_hash]}):
            raise Busy("another message of this hook is sent just now")
        return True

    def _release_pause(self, hook: Hook, delivery: Delivery) -> None:
        """Give up a message's claim, since it was not sent: another message of the pause may be.

        If somebody changes the hook at this moment, the claim stays.
        """
        if not (topic := hook.find_paused_topic(delivery)):
            return
        if item := self.services.items.get(keys.HOOKS, (delivery.tenant, hook.id)):
            now = hook_from(item)
            claims = _parse_claims(now)
            if claims.get(topic, [0, ""])[1] == _hash_event_id(delivery):
                self._write_claims(
                    now,
                    delivery,
                    {
                        claimed_topic: begin_and_hash
                        for claimed_topic, begin_and_hash in claims.items()
                        if claimed_topic != topic
                    },
                )

    def _write_claims(self, hook: Hook, delivery: Delivery, claims: Mapping[str, Any]) -> bool:
        if_same = (equals("claims", hook.claims or None, "nobody-else-tells"),)
        update = Update(
            keys.HOOKS, (delivery.tenant, hook.id), if_same, set={"claims": json.dumps(claims)}
        )
        return write_unless_changed(self.services.items, [update])

    def _find_face(self, tenant: str, event: Mapping[str, Any]) -> Face | None:
        faceid = event["data"].get("faceid")
        item = self.services.items.get(keys.FACES, (tenant, faceid)) if faceid else None
        return face_from(item) if item else None

    def _read_camera_name(self, tenant: str, event: Mapping[str, Any]) -> str:
        """Return what people call the event's camera; "": it has none."""
        if event["camera"] is None:
            return ""
        item = self.services.items.get(keys.CAMERAS, (tenant, event["camera"]))
        return camera_from(item).name if item else str(event["camera"])

    def _load_thumbnail(self, tenant: Tenant, face: Face) -> bytes | None:
        """Return the face's portrait, or its first picture that is kept, small; None: there is
        none."""
        if not tenant.keeps_pictures_of(face.group_id):
            return None
        shown_first = (face.portrait, *face.pictures)
        first = next((picture.key for picture in shown_first if picture.key), None)
        blobs = self.services.storage.blobs
        return (blobs.get(keys.thumbnail(first)) or blobs.get(first)) if first else None

    def _send_by_channel(
        self,
        hook: Hook,
        tenant: Tenant,
        values: Mapping[str, str],
        *,
        picture: bytes | None,
        faceid: str,
    ) -> Answered:
        """Send a message by its hook's channel; return the answer. Raises Unusable if it says by a
        status of success that nothing was taken.

        `faceid`: of whom it tells, whose card a push and a message of ntfy lead to; "": of nobody.
        """
        channel = self.read_channel(tenant.name, hook)
        if channel.way is Way.MAIL:
            if (mailer := self.services.ports.mailer) is None:
                raise InvalidInput(
                    "no mail is sent from here any more: the operator sets smtp_host and smtp_from"
                )
            text = message_text(hook.template, values)
            mailer.mail(channel.to, text.strip().splitlines()[0][:100], text, picture)
            return _SENT
        if channel.way is Way.PUSH:
            text = message_text(hook.template, values)
            name = name_push(faceid, self._read_private_key(tenant.name)) if faceid else ""
            message = {"title": tenant.shown_name, "text": text, "face": faceid, "tag": name}
            return self._push(channel, tenant, message)
        link = self._make_card_link(tenant, faceid)
        post = write_message(channel, hook.template, values, picture, link=link)
        answer = self.services.ports.postman.post(post.url, post.body, post.headers, post.method)
        if answer.is_well and answer.says_no:
            raise Unusable(f"the receiver answered {answer}, and that it took nothing")
        return answer

    def _make_card_link(self, tenant: Tenant, faceid: str) -> str:
        """Return the address of the arrival card of a face; "" for nobody, or without a public
        URL."""
        public_url = self.services.settings.public_url
        if not faceid or not public_url:
            return ""
        return f"{public_url.rstrip('/')}/console?shop={tenant.book_id}#/counter/{quote(faceid)}"

    def _note_push(self, delivery: Delivery, faceid: str) -> None:
        """Remember a push before it is sent, so that it is taken back however it ends."""
        name = name_push(faceid, self._read_private_key(delivery.tenant))
        write(self.services.items, [note_push(delivery, name, faceid, self.services.clock.now())])

    def _take_back(self, hook: Hook, delivery: Delivery, tenant: Tenant) -> Answered:
        """Push what takes the place of a push about somebody who went; return the answer."""
        text = Texts(tenant.language).write("push.taken_back")
        message = {"title": tenant.shown_name, "text": text, "tag": delivery.event_id, "gone": "1"}
        return self._push(self.read_channel(tenant.name, hook), tenant, message)

    def _push(self, channel: Channel, tenant: Tenant, message: dict[str, str]) -> Answered:
        """Push a message to a browser; return the answer, _GONE if the browser is gone.

        `message`: its `tag` is what a browser calls it: the next one of that tag takes its place.
        """
        subject = self._choose_subject(tenant)
        post = write_push(
            channel,
            message,
            self._read_private_key(tenant.name),
            subject,
            self.services.clock.now(),
        )
        answer = self.services.ports.postman.post(post.url, post.body, post.headers, post.method)
        if answer.status in _SENDER_REFUSED or answer.reason == _OTHER_KEY:
            said = " ".join(filter(None, (str(answer.status), answer.reason)))
            is_known = bool(subject) or answer.reason == _OTHER_KEY
            raise SenderRefused(
                f"the push service refuses the sender ({said}): {_REMEDY[is_known]}"
            )
        return _GONE if answer.status in _NO_LONGER_THERE else answer


def _parse_claims(hook: Hook) -> dict[str, Any]:
    """Return the pauses of a hook by topic (`Hook.find_paused_topic`), each as [begin in ms, hash
    of its event's id]."""
    return dict(json.loads(hook.claims or "{}"))


def _hash_event_id(delivery: Delivery) -> str:
    """Hash an event's id, by which a repeat knows its claim.

    The id may have a face's id, so it is not stored itself.
    """
    return sha256(delivery.event_id.encode()).hexdigest()[:16]
