"""Users: several faces of one person, which a search finds by all of them together.

A user is one visitor: whichever of the faces a camera sees, the visit is the first one's.

Users of a group are made and deleted, listed, and given faces or rid of them.

The face's field, the user's list and the mean change in one commit, which is based on the seq that
they were read at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import GROUP_EXISTS, Change, make_rise_conditions
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.errors import (
    ConditionFailed,
    GroupNotFound,
    TooManyFaces,
)
from chalicelib.domain.grounds import require_ground
from chalicelib.domain.model import Edit, Face, Group, JournalEntry, Tenant
from chalicelib.domain.rules.hold import require_free
from chalicelib.domain.rules.recognised import RankingRequest
from chalicelib.domain.rules.templates import gallery_group, of_model, parse_vector
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import retry_if_changed, walk_items
from chalicelib.storage.ports import Action, Check, Delete, Put, Update, absent, equals, exists
from chalicelib.storage.records.faces import face_update
from regulars_dialects.records import (
    MAX_FACES,
    User,
    UserExists,
    UserNotFound,
    make_user_edit,
    replace_user_faces,
    report_users,
    user_from,
    user_item,
)

if TYPE_CHECKING:
    from chalicelib.services import Services

A_TRANSACTION = 90
"""Faces of one transaction, which has 100 actions at most: a user's hundred take two."""

_USER_FREE = "user-free"

FACE_NOT_FOUND = "FACE_NOT_FOUND"
ASSOCIATED_TO_A_DIFFERENT_USER = "ASSOCIATED_TO_A_DIFFERENT_USER"
LOW_MATCH_CONFIDENCE = "LOW_MATCH_CONFIDENCE"

_Result = TypeVar("_Result")


class Refusal(NamedTuple):
    """A face that was not taken, and why.

    `similarity`: to the user, if that is why; `user`: the one that has it.
    """

    faceid: str
    reason: str
    user: str = ""
    similarity: float | None = None


class UserOutcome(Struct, frozen=True):
    """The faces that were done and those that were not.

    `remaining`: what a next transaction does; `face_count`: how many faces the user has after it.
    """

    done: Sequence[str] = ()
    refused: Sequence[Refusal] = ()
    remaining: Sequence[str] = ()
    face_count: int = 0

    def write_progress(self) -> dict[str, Any]:
        """Return the outcome as it is stored beside the request, for a repeat of it."""
        return {
            "done": self.done,
            "refused": self.refused,
            "left": self.remaining,
            "held": self.face_count,
        }

    @classmethod
    def read_progress(cls, body: Mapping[str, Any]) -> UserOutcome:
        return cls(
            body["done"],
            [Refusal(*refusal) for refusal in body["refused"]],
            body["left"],
            body["held"],
        )


_Judged = tuple[list[str], list[Refusal]]
"""The ids of the faces that are given or taken, and the refusals."""
_Plan = tuple[Sequence[Action], Sequence[JournalEntry]]
"""The actions of a transaction, and its entries in the journal."""


class Users(Service["Services"]):
    def create(
        self, tenant: Tenant, group: Group, id_: str, request: RequestId | None = None
    ) -> None:
        """Make a user without faces. Raises UserExists, GroupNotFound, AnsweredAlready."""
        self.add(tenant, group, User(group.id, id_), request)

    def add(
        self, tenant: Tenant, group: Group, user: User, request: RequestId | None = None
    ) -> None:
        """Store a new user without faces. Raises UserExists, GroupNotFound, AnsweredAlready."""
        if_free = (absent(_USER_FREE),)
        try:
            self.services.requests.write_with_answer(
                tenant.name,
                [
                    Put(keys.DIRECTORY, user_item(tenant.name, user), if_free),
                    user_count_update(tenant, group, 1),
                ],
                request,
            )
        except ConditionFailed as error:
            if _USER_FREE in error.names:
                raise UserExists(
                    f"there is a user {user.id!r} already: choose another id"
                ) from error
            raise _group_gone_error(group) from error

    def get(self, tenant: Tenant, group: Group, id_: str) -> User:
        """Read a user. Raises UserNotFound."""
        item = self.services.items.get(
            keys.DIRECTORY, (tenant.name, keys.face_set_item(User(group.id, id_).entry))
        )
        if item is None:
            raise UserNotFound(
                f"there is no user {id_!r}: create it first, or see the list of users"
            )
        return user_from(item)

    def read_page(
        self, tenant: Tenant, group: Group, limit: int, behind: str | None
    ) -> tuple[list[User], str | None]:
        """Return `limit` users of a group, by the bytes of their ids, and the id behind which the
        next page begins."""
        items = walk_items(
            self.services.items,
            keys.DIRECTORY,
            tenant.name,
            between=keys.face_sets_range(group.id),
            behind=None if behind is None else keys.face_set_item(User(group.id, behind).entry),
            page_size=limit + 2,
        )
        users = list(islice(map(user_from, items), limit + 1))
        return users[:limit], users[limit - 1].id if len(users) > limit else None

    def delete(
        self, tenant: Tenant, group: Group, id_: str, request: RequestId | None = None
    ) -> None:
        """Delete a user; its faces stay.

        Raises UserNotFound, GroupNotFound, FaceHeld, Busy, AnsweredAlready.
        """

        def plan_part(user: User) -> tuple[_Plan, bool]:
            """Return the plan of one transaction, and whether it is the last one, which deletes the
            user, too."""
            freed_faceids = user.faceids[:A_TRANSACTION]
            remaining_faceids = user.faceids[A_TRANSACTION:]
            faces = self.services.faces.read_faces_in_group(tenant, group, user.faceids)
            require_free(faces.values())
            updates = self._make_face_updates(
                tenant, {faceid: faces[faceid] for faceid in freed_faceids if faceid in faces}, ""
            )
            if remaining_faceids:
                user_after = replace_user_faces(
                    self.services.items, tenant.name, user, remaining_faceids
                )
                put, journal = make_user_edit(tenant.name, user, user_after)
                return ([*updates, put], journal), False
            user_delete = Delete(keys.DIRECTORY, (tenant.name, keys.face_set_item(user.entry)))
            entry = JournalEntry(Edit.DELETE, user.entry, gallery_group(group.id))
            answer = self.services.requests.make_answer_actions(tenant.name, request)
            actions = [*updates, user_delete, user_count_update(tenant, group, -1), *answer]
            return (actions, [entry] if user.templates else []), True

        while not self._commit_plan(tenant, group, id_, request, plan_part):
            pass

    def associate_faces(
        self,
        tenant: Tenant,
        group: Group,
        id_: str,
        faceids: Sequence[str],
        least_similarity: float,
        request: RequestId | None = None,
    ) -> UserOutcome:
        """Give a user faces of its group. One that it has is neither done nor refused.

        `least_similarity`: the similarity (0..100) to the faces that it had before, if it had any.
        Raises UserNotFound, TooManyFaces, GroupNotFound, Busy, AnsweredAlready.
        """

        def judge_faces(user: User, before: UserOutcome, faces: Mapping[str, Face]) -> _Judged:
            """Take the faces that nobody has.

            A user that had none before this request is compared with none.
            """
            free_faceids = [faceid for faceid, face in faces.items() if not face.face_set]
            compared_faceids = free_faceids if user.faceids and not before.done else []
            similarities = {
                faceid: self._rate_similarity(tenant, user, faces[faceid])
                for faceid in compared_faceids
            }
            refusals = [
                Refusal(faceid, LOW_MATCH_CONFIDENCE, similarity=similarity)
                for faceid, similarity in similarities.items()
                if similarity < least_similarity
            ]
            accepted_faceids = [
                faceid
                for faceid in free_faceids
                if similarities.get(faceid, least_similarity) >= least_similarity
            ]
            # The first one of the user has its visits.
            accepted_faceids.sort(key=lambda faceid: -faces[faceid].arrive_count)
            if len(user.faceids) + len(accepted_faceids) > MAX_FACES:
                raise TooManyFaces(
                    f"user {id_!r} has {len(user.faceids)} faces, and {len(accepted_faceids)} more "
                    "would pass "
                    f"{MAX_FACES}, the most of one user: take some away first"
                )
            return accepted_faceids, refusals

        return self._change_faces(tenant, group, id_, faceids, request, judge_faces, joins=True)

    def disassociate_faces(
        self,
        tenant: Tenant,
        group: Group,
        id_: str,
        faceids: Sequence[str],
        request: RequestId | None = None,
    ) -> UserOutcome:
        """Take faces away from a user. One that has no user is neither done nor refused.

        Raises UserNotFound, GroupNotFound, FaceHeld, Busy, AnsweredAlready.
        """

        def judge_faces(user: User, _before: UserOutcome, faces: Mapping[str, Face]) -> _Judged:
            faces_of_user = {
                faceid: face for faceid, face in faces.items() if face.face_set == user.id
            }
            require_free(faces_of_user.values())
            return list(faces_of_user), []

        return self._change_faces(tenant, group, id_, faceids, request, judge_faces, joins=False)

    def rank(
        self, tenant: Tenant, group: Group, request: RankingRequest
    ) -> list[tuple[str, float]]:
        """Return the wanted users of a group by the means of their faces, the most similar first:
        the id of each, and its similarity, 0..100.

        The audit log is told who they are. The search raises Busy and WrongModel.
        """
        ranked = self.services.recognition.ranking.rank_face_sets(tenant, group, request)
        user_keys = [(tenant.name, keys.face_set_item(entry)) for entry, _ in ranked]
        items = self.services.items.get_many(keys.DIRECTORY, user_keys)
        report_users(user_from(item) for item in items if item)
        return [(entry.partition(".")[2], similarity) for entry, similarity in ranked]

    def rank_like(
        self, tenant: Tenant, group: Group, user: User, *, least_similarity: float, max_users: int
    ) -> list[tuple[str, float]]:
        """Return the users that are similar to one of them, without that one.

        A user without faces is like nobody.
        """
        template = of_model(user.templates, tenant.model)
        if template is None:
            return []
        request = RankingRequest(
            probe=parse_vector(template),
            quality=None,  # a mean has no picture
            least_similarity=least_similarity,
            max_entries=max_users,
            excluded_id=user.entry,
        )
        return self.rank(tenant, group, request)

    def _change_faces(
        self,
        tenant: Tenant,
        group: Group,
        id_: str,
        faceids: Sequence[str],
        request: RequestId | None,
        judge: Callable[[User, UserOutcome, Mapping[str, Face]], _Judged],
        *,
        joins: bool,
    ) -> UserOutcome:
        """Give or take the faces that are judged fit, in one transaction or, beyond A_TRANSACTION,
        in two.

        `judge`: returns which of the faces are given or taken, and which are refused; `joins`: they
        are given.
        """
        outcome = UserOutcome(remaining=[*dict.fromkeys(faceids)])

        def plan_part(user: User) -> tuple[_Plan, UserOutcome]:
            """Plan what one transaction does, and return the outcome so far with it."""
            body = self.services.requests.read_progress(tenant.name, request) or {}
            before = UserOutcome.read_progress(body) if body else outcome
            faces = self.services.faces.read_faces_in_group(tenant, group, before.remaining)
            fit_faceids, unfit_refusals = judge(user, before, faces)
            faceids_now, faceids_later = fit_faceids[:A_TRANSACTION], fit_faceids[A_TRANSACTION:]
            if joins:
                user_faceids = [*user.faceids, *faceids_now]
            else:
                user_faceids = [faceid for faceid in user.faceids if faceid not in {*faceids_now}]
            refusals = [*_list_refusals(user, before.remaining, faces), *unfit_refusals]
            refusals.sort(key=lambda refusal: before.remaining.index(refusal.faceid))
            after = UserOutcome(
                [*before.done, *faceids_now],
                [*before.refused, *refusals],
                faceids_later,
                len(user_faceids),
            )
            actions = self._make_face_updates(
                tenant, {faceid: faces[faceid] for faceid in faceids_now}, id_ if joins else ""
            )
            journal: list[JournalEntry] = []
            if faceids_now:
                user_after = replace_user_faces(
                    self.services.items, tenant.name, user, user_faceids
                )
                put, journal = make_user_edit(tenant.name, user, user_after)
                actions.append(put)
            actions += self.services.requests.make_answer_actions(
                tenant.name, request, after.write_progress(), before=body, is_last=not faceids_later
            )
            return (actions, journal), after

        while outcome.remaining:
            outcome = self._commit_plan(tenant, group, id_, request, plan_part)
        return outcome

    @retry_if_changed(
        "these faces are changed by others all the time: send the request again in a moment"
    )
    def _commit_plan(
        self,
        tenant: Tenant,
        group: Group,
        id_: str,
        request: RequestId | None,
        plan: Callable[[User], tuple[_Plan, _Result]],
    ) -> _Result:
        """Plan with the user as it is now, commit the plan, and return its result.

        If others were first, plan again.
        """
        with self.services.writer.hold_up_commits(tenant.name):
            seq = self.services.writer.read_seq(tenant.name)
            (actions, journal), result = plan(self.get(tenant, group, id_))
            try:
                with self.services.requests.raise_if_answered(tenant.name, request):
                    if actions:
                        self.services.writer.commit(
                            tenant.name, _make_change(tenant, group, actions, journal, seq)
                        )
            except ConditionFailed as error:
                if GROUP_EXISTS in error.names:
                    raise _group_gone_error(group) from error
                raise
            return result

    def _make_face_updates(
        self, tenant: Tenant, faces: Mapping[str, Face], user: str
    ) -> list[Action]:
        """Return the actions that make the faces the user's, if nobody changed them since they were
        read.

        `user`: its id; "": the faces are nobody's then. Raises ConsentMissing.
        """
        for face in faces.values():
            require_ground(tenant, face, replace(face, face_set=user))
        user_change: dict[str, Any] = (
            {"set": {"face_set": user}} if user else {"remove": ("face_set",)}
        )
        return [
            face_update(
                tenant.name,
                faceid,
                equals("version", face.version, "face-same"),
                *make_rise_conditions(face, replace(face, face_set=user)),
                **user_change,
            )
            for faceid, face in faces.items()
        ]

    def _rate_similarity(self, tenant: Tenant, user: User, face: Face) -> float:
        """Return how similar a face is to a user, 0..100, as in a comparison of two pictures."""
        user_template, face_template = (
            of_model(templates, tenant.model) for templates in (user.templates, face.templates)
        )
        if user_template is None or face_template is None:
            return 0.0
        verification = self.services.recognition.verification
        return verification.rate_similarity(
            tenant, parse_vector(user_template), face_template, [face.estimates.quality]
        )


def _list_refusals(user: User, faceids: Sequence[str], faces: Mapping[str, Face]) -> list[Refusal]:
    """Return the refusals of faces that are not there, and of those that another user has."""
    missing = [Refusal(faceid, FACE_NOT_FOUND) for faceid in faceids if faceid not in faces]
    other_faces = [face for face in faces.values() if face.face_set not in ("", user.id)]
    return [
        *missing,
        *(
            Refusal(face.faceid, ASSOCIATED_TO_A_DIFFERENT_USER, face.face_set)
            for face in other_faces
        ),
    ]


def _make_change(
    tenant: Tenant,
    group: Group,
    actions: Sequence[Action],
    journal: Sequence[JournalEntry],
    seq: int,
) -> Change:
    """Return the change of a user, on condition that there is the group.

    If the actions change that, they say so.
    """
    key = (tenant.name, keys.group_item(group.id))
    check = (
        []
        if any(action.key == key for action in actions)
        else [Check(keys.DIRECTORY, key, (exists(GROUP_EXISTS),))]
    )
    return Change((*actions, *check), tuple(journal), based_on=seq, skips_model_check=True)


def user_count_update(tenant: Tenant, group: Group, more: int) -> Update:
    """Return the update that adds to the number of a group's users, if the group is there."""
    key = (tenant.name, keys.group_item(group.id))
    return Update(keys.DIRECTORY, key, (exists(GROUP_EXISTS),), add={"face_sets": more})


def _group_gone_error(group: Group) -> GroupNotFound:
    return GroupNotFound(f"the group {group.name!r} was deleted meanwhile: create it first")
