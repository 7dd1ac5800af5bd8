"""A tenant's groups, and the attributes of their faces.

If a group is full, GalleryWriter refuses another face (GROUP_ROOM). An enrolment then fails. A face
that should become a regular stays a stranger (domain/rules/visits). A new stranger replaces the one
last seen longest ago. An event reports this, at most once an hour (domain/rules/sighting).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from chalicelib.book.idempotency import NO_BODY, RequestId
from chalicelib.book.tenants import CAPACITY_LEFT, GROUPS_LEFT, NAME_FREE, group_puts, name_put
from chalicelib.domain.attributes import append_attributes, drop_attributes, replace_attributes
from chalicelib.domain.done import ActKind, compare, compare_things, list_values, make_deletion
from chalicelib.domain.errors import (
    ConditionFailed,
    DefaultGroup,
    GroupExists,
    GroupFull,
    GroupNotEmpty,
    GroupNotFound,
    IllegalCapacity,
    InvalidInput,
    TenantFull,
    TooManyGroups,
    TooManyTags,
    require_revision,
)
from chalicelib.domain.model import (
    DEFAULT_GROUPS,
    NO_VALUES,
    PROMOTION_SETTINGS,
    SETTINGS_OF_GROUP,
    Attribute,
    Group,
    PromotionSettings,
    Tenant,
)
from chalicelib.domain.names import (
    GROUP_NAME_LENGTH,
    LONGEST_GROUP_NAME,
    legal_group_name,
    normalise_name,
)
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    delete_in_parts,
    directory_of,
    list_hidden_faceids,
    retry_if_changed,
    spared_faces,
    walk_items,
)
from chalicelib.storage.ports import Action, Delete, Item, Update, at_least, equals, exists
from chalicelib.storage.records.faces import (
    attribute_items,
    face_from,
    group_from,
    group_item,
    promotion_settings_from,
)
from chalicelib.storage.values import parse_optional, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.book.book import Book

DESCRIPTION_LENGTH = 150
"""Characters of a group's description, as the camera's contract says."""
MAX_TAGS = 50
"""Tags of one group: the item of a group with fifty stays below 20 KB."""
_LONGEST_ID = 64
"""Characters of a group's id: longer ones are not looked for."""
GROUP_SAME = "group-same"
"""Name of the condition that a group is as it was read."""

CHANGED_ALL_THE_TIME = (
    "this group is changed by others all the time: send the request again in a moment"
)


class Groups(Service["Book"]):
    """The groups of a tenant's faces: each has a name, and may have a capacity and attributes."""

    def create(
        self,
        tenant: Tenant,
        name: str,
        capacity: int | None,
        description: str,
        request: RequestId | None = None,
        *,
        attributes: Sequence[str] = (),
        tags: Mapping[str, str] = NO_VALUES,
        max_name_length: int = GROUP_NAME_LENGTH,
        tells_id: bool = False,
    ) -> Group:
        """Create an empty group, and return it.

        `capacity` is how many faces it may hold; None sets no limit of its own. Its faces are
        forgotten as soon as regulars are, until somebody sets another time. With `tells_id`, a
        repeat of the request is answered with the group's `id`. Raises IllegalGroupName,
        InvalidInput, GroupExists, IllegalCapacity, WrongAttributeCount, IllegalAttribute,
        TooManyGroups, AnsweredAlready.
        """
        name = legal_group_name(name, max_name_length)
        _require_description(description)
        now = self.services.clock.now()
        group = Group(
            time_ordered_id(now),
            name,
            description,
            count=0,
            capacity=capacity,
            tags=tags,
            created_at=now,
            unseen_days=tenant.regular_days,
        )
        group = replace_attributes(group, attributes)
        if self._is_name_in_use(tenant, name):
            raise GroupExists(
                f"there is a group {name!r} already: choose another name", field="name"
            )
        self._require_capacity(tenant, capacity, count=0)

        # The group, its name's item and what it takes of the tenant's limits are one transaction.
        puts = group_puts(tenant.name, group, group_item(tenant.name, group, now))
        limits_update = _make_limits_update(tenant.name, groups=-1, capacity=-(capacity or 0))
        answer = {"id": group.id} if tells_id else NO_BODY
        try:
            self.services.requests.write_with_answer(
                tenant.name, [*puts, limits_update], request, answer
            )
        except ConditionFailed as error:
            raise self._make_refusal_error(tenant, name, error) from error
        return group

    def change_by_name(
        self,
        tenant: Tenant,
        name: str,
        changes: Mapping[str, Any],
        request: RequestId | None = None,
    ) -> None:
        """Set the fields in `changes` of the group of that name, as `change_fields` does.

        Raises GroupNotFound, and as that.
        """
        _require_description(changes.get("description", ""))
        self._change_named(tenant, name, lambda group: _apply_changes(group, changes), request)

    def change_fields(
        self,
        tenant: Tenant,
        group_id: str,
        changes: Mapping[str, Any],
        revision: int | None = None,
        request: RequestId | None = None,
    ) -> Group:
        """Set the fields in `changes` of the group of that id; return it as it is then.

        They are any of `name`, `capacity`, `description`, `attributes` (names), `learns`, `staff`,
        `unseen_days`. Its faces and observations are not rewritten. With a `revision`, the group
        must still have that version, which the caller read.

        Raises GroupNotFound, Changed, IllegalGroupName, InvalidInput, GroupExists,
        WrongAttributeCount, IllegalAttribute, Busy, AnsweredAlready. Raises DefaultGroup for a new
        name, attributes or `unseen_days` of a group that each tenant has. Raises IllegalCapacity
        below 1 or the group's count, or if the sum of all groups would exceed the tenant's. Raises
        FaceHeld if a face under legal hold has a value of an attribute that is removed.
        """
        _require_description(changes.get("description", ""))

        def read_group() -> Group:
            group = self.get(tenant, group_id)
            require_revision("the group", group.version, revision)
            return group

        return self.change_group(
            tenant, read_group, lambda group: _apply_changes(group, changes), request
        )

    @retry_if_changed(CHANGED_ALL_THE_TIME)
    def change_group(
        self,
        tenant: Tenant,
        read_group: Callable[[], Group],
        change: Callable[[Group], Group],
        request: RequestId | None,
    ) -> Group:
        """Change a stored group, and return the group as it is then.

        `read_group` reads the group, and `change` returns the changed one and writes nothing. If
        somebody else changes the group or takes its new name meanwhile, the decorator calls both
        again. Raises as `change_fields`.
        """
        group = read_group()
        changed_group = replace(change(group), version=group.version + 1)

        # A face under legal hold may lose no value.
        removed_attributes = {*group.attributes} - {*changed_group.attributes}
        self._require_values_kept(tenant, group, removed_attributes)
        if changed_group.name != group.name and self._is_name_in_use(tenant, changed_group.name):
            raise GroupExists(
                f"there is a group {changed_group.name!r} already: choose another name",
                field="name",
            )
        if changed_group.capacity != group.capacity:
            self._require_capacity(tenant, changed_group.capacity, group.count)

        actions = _make_update_actions(tenant.name, group, changed_group)
        try:
            self.services.requests.write_with_answer(tenant.name, actions, request)
        except ConditionFailed as error:
            # `names` are the conditions that failed. If others changed the group, too, the next try
            # may need less capacity of the tenant.
            is_group_changed = GROUP_SAME in error.names
            if CAPACITY_LEFT in error.names and not is_group_changed:
                raise self._make_refusal_error(tenant, changed_group.name, error) from error
            raise  # the decorator tries again
        return changed_group

    def _change_named(
        self, tenant: Tenant, name: str, change: Callable[[Group], Group], request: RequestId | None
    ) -> Group:
        """Change the group of that name, as `change_group` does."""
        return self.change_group(tenant, partial(self.get_by_name, tenant, name), change, request)

    def add_tags(
        self, tenant: Tenant, name: str, tags: Mapping[str, str], request: RequestId | None = None
    ) -> Group:
        """Add tags (texts by key) to a group, or replace those of the same keys; return the group.

        With {"floor": "2"}, "floor" says "2", and its other tags stay. Raises GroupNotFound,
        TooManyTags if it would have more than MAX_TAGS, Busy, AnsweredAlready.
        """
        return self._change_named(tenant, name, partial(_add_tags, tags=tags, name=name), request)

    def remove_tags(
        self, tenant: Tenant, name: str, tags: Sequence[str], request: RequestId | None = None
    ) -> Group:
        """Remove the tags (texts by key) of these keys from a group, if it has them; return it.

        Raises GroupNotFound, Busy, AnsweredAlready.
        """
        return self._change_named(tenant, name, partial(_remove_tags, removed=tags), request)

    def add_attributes(
        self, tenant: Tenant, name: str, attributes: Sequence[str], request: RequestId | None = None
    ) -> None:
        """Add attributes (named values that its faces may have) to a group, all of them or none.

        They come behind those that it has, in their order. Raises GroupNotFound, DefaultGroup (such
        a group has none), WrongAttributeCount if it would have too many, IllegalAttribute.
        """
        self._change_named(tenant, name, partial(append_attributes, names=attributes), request)

    def remove_attributes(
        self, tenant: Tenant, name: str, attributes: Sequence[str], request: RequestId | None = None
    ) -> None:
        """Remove attributes (named values that its faces may have) from a group, all or none.

        Raises GroupNotFound, and as `drop_attributes`.
        """
        self._change_named(tenant, name, partial(drop_attributes, names=attributes), request)

    def set_promotion_settings(
        self, tenant: Tenant, rule: PromotionSettings, request: RequestId | None = None
    ) -> None:
        """Set when a stranger becomes a regular, from each face's next arrival on.

        Raises InvalidInput.
        """
        self.change_promotion_settings(tenant, asdict(rule), request)

    @retry_if_changed(CHANGED_ALL_THE_TIME)
    def change_promotion_settings(
        self, tenant: Tenant, changes: Mapping[str, Any], request: RequestId | None = None
    ) -> None:
        """Set the settings in `changes`, and leave the others as they are. Raises InvalidInput."""
        directory = directory_of(self.services.items, tenant.name)
        update = make_promotion_settings_update(tenant.name, directory, changes)
        self.services.requests.write_with_answer(tenant.name, [update], request)

    def list_all(self, tenant: Tenant) -> list[Group]:
        """Return all groups as of now: `stranger` and `regular` first, then by creation."""
        items = walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS)
        return [group_from(item) for item in sorted(items, key=_order_by_creation)]

    def count_hidden(self, tenant: Tenant) -> Counter[str]:
        """Return how many faces of each group, by its id, lists of people leave out."""
        hidden_ids = list_hidden_faceids(self.services.items, tenant.name)
        face_keys = [(tenant.name, faceid) for faceid in hidden_ids]
        items = self.services.items.get_many(keys.FACES, face_keys)
        group_ids = (item["group"] for item in items if item)
        return Counter(id_ for id_ in group_ids if id_ not in tenant.hidden)

    def read_promotion_settings(self, tenant: Tenant) -> PromotionSettings:
        """Return the settings for when a stranger becomes a regular. Raises TenantNotFound."""
        directory = directory_of(self.services.items, tenant.name)
        return promotion_settings_from(directory)

    def choose_implicit_capacity(self, tenant: Tenant) -> int | None:
        """Return how many faces a group may hold that an enrolment creates by naming it.

        It is the tenant's limit for such groups, but never more than other groups' capacities
        leave. None sets no limit but the tenant's own. Raises TenantFull if nothing is left.
        """
        max_capacity = tenant.limits.implicit_group_capacity
        if max_capacity is None:
            return None
        capacity = min(max_capacity, self.read_capacity_left(tenant))
        if capacity < 1:
            raise TenantFull(
                "the groups' capacities leave nothing for a new one: delete one, or name another"
            )
        return capacity

    def read_capacity_left(self, tenant: Tenant) -> int:
        """Return how much capacity the tenant may still give to groups. Raises TenantNotFound."""
        return int(directory_of(self.services.items, tenant.name)[CAPACITY_LEFT])

    def find(self, tenant: Tenant, name: str) -> Group | None:
        """Return the group of that name, or None; case counts, the Unicode form (NFC) does not."""
        normal = normalise_name(name, LONGEST_GROUP_NAME)
        if not 0 < len(normal) <= LONGEST_GROUP_NAME:
            return None
        # An item of the name has the group's id.
        pointer = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.name_item(normal)))
        return self.find_by_id(tenant, pointer["group"]) if pointer else None

    def find_by_id(self, tenant: Tenant, group_id: str) -> Group | None:
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.group_item(group_id)))
        return parse_optional(group_from, item)

    def list_limited(self, tenant: Tenant, group_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the groups that have a capacity, for a Change's `limited_groups`."""
        groups = (self.find_by_id(tenant, id_) for id_ in group_ids)
        return frozenset(
            group.id for group in groups if group is not None and group.capacity is not None
        )

    def get_by_name(self, tenant: Tenant, name: str) -> Group:
        """Return the group of that name. Raises GroupNotFound."""
        group = self.find(tenant, name)
        if group is None:
            short_name = name[:LONGEST_GROUP_NAME]
            raise GroupNotFound(
                f"there is no group {short_name!r}: create it first, or see the list of groups"
            )
        return group

    def get(self, tenant: Tenant, group_id: str) -> Group:
        """Return the group of that id. Raises GroupNotFound."""
        group = self.find_by_id(tenant, group_id) if 0 < len(group_id) <= _LONGEST_ID else None
        if group is None:
            raise GroupNotFound(
                f"there is no group of the id {group_id[:_LONGEST_ID]!r}: see the list of groups"
            )
        return group

    def delete(self, tenant: Tenant, name: str, request: RequestId | None = None) -> None:
        """Remove an empty group. Raises GroupNotFound, DefaultGroup, GroupNotEmpty."""
        self._delete_group(tenant, lambda: self.get_by_name(tenant, name), request)

    def delete_id(self, tenant: Tenant, group_id: str, request: RequestId | None = None) -> None:
        """Remove an empty group. Raises as `delete`, and AnsweredAlready."""
        self._delete_group(tenant, lambda: self.get(tenant, group_id), request)

    @retry_if_changed(CHANGED_ALL_THE_TIME)
    def _delete_group(
        self, tenant: Tenant, read: Callable[[], Group], request: RequestId | None
    ) -> None:
        """Delete a group that has neither faces nor face sets.

        `read` reads the group, again if somebody changed it meanwhile. What the group took of the
        tenant's limits is given back. Raises what `read` raises, DefaultGroup, GroupNotEmpty, Busy,
        AnsweredAlready.
        """
        group = read()
        require_deletable(group)
        if group.count:
            raise GroupNotEmpty(
                f"group {group.name!r} holds {group.count} faces: delete or move them first"
            )
        if group.face_sets:
            raise GroupNotEmpty(
                f"group {group.name!r} has face sets ({group.face_sets}): delete them first, by "
                "the dialect that made them"
            )
        deletes = group_deletes(tenant.name, group)
        limits_update = _make_limits_update(tenant.name, groups=1, capacity=group.capacity or 0)
        self.services.requests.write_with_answer(tenant.name, [*deletes, limits_update], request)
        self.forget_face_sets(tenant, group.id)  # there may be one that was made since `read`

    def forget_face_sets(self, tenant: Tenant, group_id: str) -> None:
        """Delete the face sets of a group that is gone.

        It has no faces any more, so the gallery has none of them.
        """
        stored_items = walk_items(
            self.services.items, keys.DIRECTORY, tenant.name, between=keys.face_sets_range(group_id)
        )
        delete_in_parts(self.services.items, keys.DIRECTORY, stored_items)

    def _is_name_in_use(self, tenant: Tenant, name: str) -> bool:
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.name_item(name)))
        return item is not None

    def _require_values_kept(
        self, tenant: Tenant, group: Group, removed_attributes: Set[Attribute]
    ) -> None:
        """Raise FaceHeld if a face of the group that is under legal hold would lose a value.

        `removed_attributes` are named values that the group's faces may have no more. Only held and
        restricted faces, which are few, are read.
        """
        if not removed_attributes:
            return
        removed_ids = {attribute.id for attribute in removed_attributes}
        spared_ids = spared_faces(self.services.items, tenant.name)
        face_keys = [(tenant.name, faceid) for faceid in spared_ids]
        for item in self.services.items.get_many(keys.FACES, face_keys):
            if not item:
                continue
            face = face_from(item)
            if face.own_group_id != group.id:  # of a restricted face, the group before that
                continue
            kept = {id_: value for id_, value in face.attributes.items() if id_ not in removed_ids}
            require_no_loss(face, replace(face, attributes=kept))

    def _require_capacity(self, tenant: Tenant, capacity: int | None, count: int) -> None:
        """Raise IllegalCapacity unless a group of `count` faces may have this capacity.

        It is at least the count and 1, and at most what the tenant may hold. None is no capacity of
        its own, which some tenants may not choose.
        """
        if capacity is None:
            if tenant.limits.group_capacity_required:
                raise IllegalCapacity(
                    "this tenant's groups need a capacity, a whole number above 0"
                )
            return
        max_capacity = tenant.limits.faces
        if not max(count, 1) <= capacity <= max_capacity:
            also_not = f" and not below the {count} faces of the group" if count > 1 else ""
            raise IllegalCapacity(
                f"a capacity is a whole number from 1 to {max_capacity}{also_not}, not {capacity}",
                field="capacity",
            )

    def _make_refusal_error(self, tenant: Tenant, name: str, error: ConditionFailed) -> Exception:
        """Return the error that users get when storage refused a new or changed group.

        `error` names the conditions that failed. The name is taken (NAME_FREE), the tenant has no
        capacity left, or it may have no further group. For any other, return `error` itself.
        """
        if NAME_FREE in error.names:
            return GroupExists(
                f"there is a group {name!r} already: choose another name", field="name"
            )
        if CAPACITY_LEFT in error.names:
            return IllegalCapacity(
                f"the capacities of all groups may sum to {tenant.limits.faces}, and this one "
                "would pass that: choose a smaller capacity",
                field="capacity",
            )
        if GROUPS_LEFT in error.names:
            return TooManyGroups(
                f"there are {tenant.limits.groups} groups already, the most that this tenant may "
                "have"
            )
        return error


_SETTINGS_SAME = "settings-as-they-were-read"


def make_promotion_settings_update(
    tenant: str, directory: Item, changes: Mapping[str, Any]
) -> Update:
    """Return the update that sets these fields of PromotionSettings, on condition that they are
    unchanged.

    `directory`: the tenant's item, as it was read. Raises InvalidInput.
    """
    before = promotion_settings_from(directory)
    for name, value in changes.items():
        PROMOTION_SETTINGS[name].require(value)
    was = compare_things(ActKind.SETTINGS, "", before, replace(before, **changes), changes)
    if_same = [equals(name, directory.get(name), _SETTINGS_SAME) for name in changes]
    tenant_key, when = (tenant, keys.TENANT_ITEM), (exists("tenant-exists"), *if_same)
    return Update(keys.DIRECTORY, tenant_key, when, set=dict(changes), was=was)


def _require_description(description: str) -> None:
    if len(description) > DESCRIPTION_LENGTH:
        raise InvalidInput(
            f"a description has up to {DESCRIPTION_LENGTH} characters, not {len(description)}"
        )


def _order_by_creation(item: Item) -> tuple[int, int, str]:
    """Return what groups are sorted by: the default ones come first, then the oldest."""
    place = len(DEFAULT_GROUPS)
    if item["id"] in DEFAULT_GROUPS:
        place = DEFAULT_GROUPS.index(item["id"])
    return place, item["created_at"], item["id"]


def raise_if_full(group: Group | None, number: int = 1) -> None:
    """Raise GroupFull if the group has no room for this many more faces.

    A group without a capacity passes. So does one that is gone (None): another check tells that.
    """
    if group is None or group.room is None or group.room >= number:
        return
    more = f", too many for {number} more" if number > 1 else ""
    raise GroupFull(
        f"group {group.name!r} is full: {group.count} of {group.capacity} faces{more}; delete "
        "or move some first"
    )


def require_deletable(group: Group) -> None:
    """Raise DefaultGroup if it is a group that each tenant has and none deletes."""
    if group.is_default:
        raise DefaultGroup(f"the default group {group.name!r} cannot be deleted")


def group_deletes(tenant: str, group: Group) -> list[Action]:
    """Return the writes that delete a group; they are refused unless it is as it was read.

    Its fields change the version, its faces the count. The caller gives the capacity back.
    """
    if_same = (
        equals("version", group.version, GROUP_SAME),
        equals("count", group.count, GROUP_SAME),
    )
    if_name_there = (exists("name-exists"),)
    return [
        Delete(
            keys.DIRECTORY,
            (tenant, keys.group_item(group.id)),
            if_same,
            was=make_deletion(ActKind.GROUP, group.id, group.name),
        ),
        Delete(keys.DIRECTORY, (tenant, keys.name_item(group.name)), if_name_there),
    ]


def _apply_changes(group: Group, changes: Mapping[str, Any]) -> Group:
    """Return the group with these fields set; nothing is written.

    Raises IllegalGroupName, DefaultGroup, WrongAttributeCount, IllegalAttribute.
    """
    name = group.name
    if changes.get("name", name) != name:
        name = legal_group_name(changes["name"])
    if group.is_default and name != group.name:
        raise DefaultGroup(
            f"the default group {group.name!r} keeps its name: send the same as its new one"
        )
    if changes.get("unseen_days") is not None and group.is_default:
        raise DefaultGroup(
            f"how long faces of {group.name!r} are kept is a setting: {group.id}_days of "
            "/v1/settings"
        )
    if "attributes" in changes:
        group = replace_attributes(group, changes["attributes"])
    plain_fields = ("capacity", "description", "learns", "staff", "unseen_days")
    set_fields = {field: changes[field] for field in plain_fields if field in changes}
    return replace(group, name=name, **set_fields)


def _add_tags(group: Group, tags: Mapping[str, str], name: str) -> Group:
    merged = {**group.tags, **tags}
    if len(merged) > MAX_TAGS:
        raise TooManyTags(
            f"group {name!r} would have {len(merged)} tags, and {MAX_TAGS} are the most"
        )
    return replace(group, tags=merged)


def _remove_tags(group: Group, removed: Sequence[str]) -> Group:
    kept = {key: text for key, text in group.tags.items() if key not in removed}
    return replace(group, tags=kept)


def _make_update_actions(tenant: str, group: Group, after: Group) -> list[Action]:
    """Return the writes that store a changed group, its name, and what it takes of the tenant.

    From a capacity of 100 to 120, the tenant must have 20 left to give to groups. If not, condition
    CAPACITY_LEFT fails, for good. From 120 to 100, the tenant gets 20 back. If GROUP_SAME fails,
    others changed the group: the caller reads it and tries again.
    """
    former, now = (
        {
            **list_values(one, SETTINGS_OF_GROUP),
            "attributes": [attribute.name for attribute in one.attributes],
        }
        for one in (group, after)
    )
    was = compare(ActKind.GROUP, group.id, former, now)
    actions: list[Action] = [replace(_make_group_update(tenant, group, after), was=was)]
    gained = (after.capacity or 0) - (group.capacity or 0)
    if gained:  # if it is negative, at_least holds for sure
        if_enough = (exists("tenant-exists"), at_least(CAPACITY_LEFT, gained, CAPACITY_LEFT))
        tenant_key = (tenant, keys.TENANT_ITEM)
        less = {CAPACITY_LEFT: -gained}
        actions.append(Update(keys.DIRECTORY, tenant_key, if_enough, add=less))
    if after.name != group.name:
        old_name_key = (tenant, keys.name_item(group.name))
        actions.append(Delete(keys.DIRECTORY, old_name_key, (exists("name-exists"),)))
        actions.append(name_put(tenant, after))
    return actions


def _make_group_update(tenant: str, group: Group, after: Group) -> Update:
    """Return the write that stores a changed group; refused (GROUP_SAME) if others changed it.

    A group with a capacity stores how many more faces it may hold, `free`; another has no such
    field. So with a capacity of 80 in place of 100, at least 20 must be free. With 80 in place of
    none, and 30 faces, 50 are free, unless a face comes or goes meanwhile.
    """
    group_key = (tenant, keys.group_item(group.id))
    fields = _list_changed_fields(group, after)
    if_same = equals("version", group.version, GROUP_SAME)
    if after.capacity is None:
        removed_fields = () if group.capacity is None else ("free",)
        return Update(keys.DIRECTORY, group_key, (if_same,), set=fields, remove=removed_fields)
    if group.capacity is None:
        if_as_many = equals("count", group.count, GROUP_SAME)
        fields["free"] = after.capacity - group.count
        return Update(keys.DIRECTORY, group_key, (if_same, if_as_many), set=fields)
    gained = after.capacity - group.capacity
    if_enough_free = at_least("free", -gained, GROUP_SAME)
    return Update(
        keys.DIRECTORY, group_key, (if_same, if_enough_free), set=fields, add={"free": gained}
    )


def _list_changed_fields(group: Group, after: Group) -> dict[str, Any]:
    """Return the fields of a changed group that are to be stored, but what its capacity decides.

    Name, description and version are always there, the others only if they changed.
    """
    fields: dict[str, Any] = {
        "name": after.name,
        "description": after.description,
        "version": after.version,
    }
    if after.attributes != group.attributes:
        fields["attributes"] = attribute_items(after)
        fields["next_attribute_id"] = after.next_attribute_id
    for name in ("learns", "staff", "unseen_days"):
        value = getattr(after, name)
        if value != getattr(group, name):
            fields[name] = value
    if after.tags != group.tags:
        fields["tags"] = dict(after.tags)
    return fields


def _make_limits_update(tenant: str, groups: int, capacity: int) -> Update:
    """Return the write that gives a tenant back so many groups, and so much of their capacity.

    Negative numbers take them, and are refused unless the tenant has as much left of its limits.
    """
    conditions = [exists("tenant-exists")]
    if groups < 0:
        conditions += [
            at_least(GROUPS_LEFT, -groups, GROUPS_LEFT),
            at_least(CAPACITY_LEFT, -capacity, CAPACITY_LEFT),
        ]
    added_counts = {GROUPS_LEFT: groups, CAPACITY_LEFT: capacity}
    return Update(keys.DIRECTORY, (tenant, keys.TENANT_ITEM), tuple(conditions), add=added_counts)
