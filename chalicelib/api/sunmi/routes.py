"""The camera's endpoints: their names, their parameters, and the views that answer them."""

from __future__ import annotations

from functools import partial

from chalice.app import Blueprint

from chalicelib.api.forms import Form
from chalicelib.api.http import Dialect, Provide, route
from chalicelib.api.sunmi import views, wire
from chalicelib.api.sunmi.endpoint import Endpoint
from chalicelib.core.errors import InvalidInput

PREFIX = "/openapi/face/"
ALIASES = {"getFaceIDList": "getFaceList"}

_GROUP = frozenset({"name", "capacity", "description"})
_ATTRIBUTES = frozenset({"num", "group_name", "name_list"})

_UPDATE_FACE = Endpoint("updateFace", views.update_face, views.UPDATE_FACE, changes=True)


def _update_in_disguise(form: Form) -> Endpoint | None:
    return _UPDATE_FACE if views.is_update(form) else None


ENDPOINTS = (
    Endpoint("createGroup", views.create_group, _GROUP, changes=True),
    Endpoint("updateGroup", views.update_group, _GROUP | {"old_name"}, changes=True),
    Endpoint("updateMigration", views.update_migration, frozenset({"arrive_times", "period"}), changes=True),
    Endpoint("deleteGroup", views.delete_group, frozenset({"name"}), changes=True),
    Endpoint("getGroupList", views.get_group_list),
    Endpoint("addFaceInfoItem", views.add_face_info_item, _ATTRIBUTES, changes=True),
    Endpoint("removeFaceInfoItem", views.remove_face_info_item, _ATTRIBUTES, changes=True),
    Endpoint("getFaceInfoItem", views.get_face_info_item, frozenset({"group_name"})),
    Endpoint("addFace", views.add_face, views.ADD_FACE, changes=True, means=_update_in_disguise),
    Endpoint(
        "deleteFace",
        views.delete_face,
        frozenset({"num", "group_name", "faceid_list"}),
        changes=True,
        render=wire.deleted,
    ),
    _UPDATE_FACE,
    Endpoint("getFace", views.get_face, frozenset({"faceid"})),
    Endpoint("getFaceList", views.get_face_list, frozenset({"group_name", "page_num", "page_size"})),
    Endpoint("getFaceByArrival", views.get_face_by_arrival, frozenset({"group_name", "num"})),
    Endpoint("getFaceByPicture", views.get_face_by_picture, frozenset({"pic"})),
)


_BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
_BY_NAME |= {alias: _BY_NAME[name] for alias, name in ALIASES.items()}

DIALECT = Dialect(
    (PREFIX,),
    lambda error, path: _BY_NAME.get(path.removeprefix(PREFIX), ENDPOINTS[0]).failed(error)[1],
    f"There is no such call here: by POST, there are {', '.join(endpoint.name for endpoint in ENDPOINTS)}.",
    InvalidInput("The body is larger than 4 MiB."),
)


def blueprint(provide: Provide) -> Blueprint:
    """Register all endpoints of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    for name, endpoint in _BY_NAME.items():
        route(routes, PREFIX + name, {"POST": partial(endpoint.answer, provide)})
    return routes
