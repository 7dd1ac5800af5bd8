"""Views of groups and of their attributes: each parses, calls one use case, and returns the result to render."""

from __future__ import annotations

from chalicelib.api.sunmi import wire
from chalicelib.api.sunmi.endpoint import Body, Call
from chalicelib.api.sunmi.parameters import Parameters
from chalicelib.core.errors import WrongAttributeCount
from chalicelib.core.model import Migration


def create_group(call: Call, parameters: Parameters) -> Body:
    call.services.groups.create(
        call.tenant,
        parameters.required_maybe_empty("name"),
        _capacity(call, parameters),
        parameters.required_maybe_empty("description"),
        request=call.request,
    )
    return {}


def update_group(call: Call, parameters: Parameters) -> Body:
    call.services.groups.update(
        call.tenant,
        parameters.required("old_name"),
        parameters.required_maybe_empty("name"),
        _capacity(call, parameters),
        parameters.required_maybe_empty("description"),
        request=call.request,
    )
    return {}


def update_migration(call: Call, parameters: Parameters) -> Body:
    rule = Migration(parameters.required_number("arrive_times"), parameters.required_number("period"))
    call.services.groups.set_migration(call.tenant, rule, request=call.request)
    return {}


def delete_group(call: Call, parameters: Parameters) -> Body:
    call.services.groups.delete(call.tenant, parameters.required("name"), request=call.request)
    return {}


def get_group_list(call: Call, _: Parameters) -> Body:
    groups = call.services.groups
    return wire.groups(call.tenant, groups.all(call.tenant), groups.migration(call.tenant))


def add_face_info_item(call: Call, parameters: Parameters) -> Body:
    group_name, names = parameters.required("group_name"), _attribute_names(parameters)
    call.services.groups.add_attributes(call.tenant, group_name, names, request=call.request)
    return {}


def remove_face_info_item(call: Call, parameters: Parameters) -> Body:
    group_name, names = parameters.required("group_name"), _attribute_names(parameters)
    call.services.groups.remove_attributes(call.tenant, group_name, names, request=call.request)
    return {}


def get_face_info_item(call: Call, parameters: Parameters) -> Body:
    return wire.attribute_names(call.services.groups.named(call.tenant, parameters.required("group_name")))


def _capacity(call: Call, parameters: Parameters) -> int | None:
    """Read the capacity; None, for a group without one, if the tenant's groups need none."""
    if call.tenant.limits.group_capacity_required:
        return parameters.required_number("capacity")
    return parameters.number("capacity")


def _attribute_names(parameters: Parameters) -> list[str]:
    """Read the names, trimmed as all parameters' names are, because addFace sends values under these names."""
    number, names = parameters.required_number("num"), parameters.texts("name_list")
    if number != len(names):
        raise WrongAttributeCount(f"num is the length of name_list; it is {number} and the list has {len(names)}")
    return [name.strip() for name in names]
