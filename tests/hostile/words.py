"""Names and values that hostile requests are made of, and what any answer to them is: a table for
each dialect."""

from hypothesis import strategies as st

from chalicelib.api.sunmi.routes import ALIASES
from chalicelib.domain.errors import Busy
from tests.support.api.gateway import Reply
from tests.support.api.icredit.client import ANALYSIS, MANAGE, QUERY, encoded, failure
from tests.support.api.sunmi.source import LISTED
from tests.support.fakes import Person, picture

# --- SUNMI
# --------------------------------------------------------------------------------------------------

SUNMI_NAMES = (
    *(
        "name",
        "group_name",
        "new_group_name",
        "capacity",
        "description",
        "Description",
        " name",
        "old_name",
    ),
    *(
        "num",
        "faceid",
        "facdid",
        "faceid_list",
        "page_num",
        "page_size",
        "age",
        "gender",
        "pic",
        "item1",
        "Item9",
    ),
    *(
        "name_list",
        "arrive_times",
        "period",
        "Period",
        "weight",
        "Weight",
        "NewGroup_name",
        "New_group_name",
    ),
    *("app_id", "random", "timestamp", "sign", "Sign", "sign_type", "sn", "", "hobby"),
)
SUNMI_VALUES = (
    *(
        "",
        "0",
        "1",
        "2",
        "-1",
        "7",
        "007",
        "10",
        "101",
        "1e9",
        "9" * 30,
        "x",
        " ",
        "vip",
        "stranger",
        "regular",
    ),
    *(
        "[]",
        '["7"]',
        "[“7”]",
        '["7","8"]',
        "[[]]",
        "{}",
        "\x00",
        "员" * 97,
        "😀",
        "MD5",
        "HMAC-SHA256",
        "ſ",
        "İ",
    ),
    *('["weight"]', '["weight","a"]', '["Age"]', '[""]', "a,b,c,d,e,f", "empty", "svip", "8", "K"),
)
PICTURES = (b"", b"x", picture(), picture(Person(1)), picture(Person(1), Person(2)))


def listed(endpoint: str, names: set[str]) -> frozenset[int]:
    """Codes of the endpoint that was meant, without 1: an addFace without a picture may be an
    updateFace.

    `names`: of what was sent and is not empty.
    """
    own = {name.strip()[:1].lower() + name.strip()[1:] for name in names}
    means_update = endpoint == "addFace" and "pic" not in own and own & {"new_group_name", "facdid"}
    return LISTED["updateFace" if means_update else ALIASES.get(endpoint, endpoint)] - {1, 5, 7}


# --- iCREDIT
# --------------------------------------------------------------------------------------------------

URLS = {
    "http://a.example/": picture(Person(1)),
    "http://b.example/": b"no picture",
    "http://c.example/": Busy("busy"),
}
TIMES = [
    "0",
    "1772323200",
    "1772366400",
    "1772409600",
    "253370764799",
    "253370764800",
    "-1",
    "x",
    "1e9",
    "",
]
ICREDIT_VALUES = {
    "CONTROL_TYPE": ["0", "1", "3", "2"],
    "IMAGE_TYPE": ["0", "0", "3", "2", "1"],
    "IMAGE": [
        *(encoded(picture(*people)) for people in ([Person(1)], [Person(1), Person(2)], [])),
        *(*URLS, "7", "%2B", ""),
    ],
    "PERSON_GROUP_LABEL": ["vip", "stranger", "", " ", "x" * 97],
    "PERSON_TOKEN": ["7", "", "x" * 65],
    "LABLE_A": ["a", "x" * 101],
    "LABEL_A": ["a", "b"],
    "START_TIME": TIMES,
    "END_TIME": TIMES,
    "STATISTICAL": ["0", "1", "2", "3", "4", ""],
    "FILL": ["0", "1", "x"],
    "DISTINCT": ["0", "1", "x"],
    "PAGE_SIZE": ["1", "2", "1000", "1001", "0", "x"],
    "PAGE_TOKEN": ["", "x", "AAAA", "会"],
}
ICREDIT_NEEDS = {
    MANAGE: ("CONTROL_TYPE", "IMAGE_TYPE", "IMAGE", "PERSON_GROUP_LABEL"),
    QUERY: ("START_TIME", "END_TIME"),
    ANALYSIS: ("START_TIME", "END_TIME", "STATISTICAL"),
}
ENTITIES = {MANAGE: {"PERSON_ENTITY"}, QUERY: {"PERSON_ENTITY", "NEXT_PAGE_TOKEN", "TOTAL"}}
ENTITIES[ANALYSIS] = {"PERSON_ TOKEN_ENEITY", "PERSON_TOKEN_ENEITY"}


def fields_of(path: str) -> st.SearchStrategy[dict[str, str]]:
    """What the operation needs, and any of what it knows."""
    return st.fixed_dictionaries(
        {name: st.sampled_from(ICREDIT_VALUES[name]) for name in ICREDIT_NEEDS[path]},
        optional={
            name: st.sampled_from(values)
            for name, values in ICREDIT_VALUES.items()
            if name not in ICREDIT_NEEDS[path]
        },
    )


icredit_odd = st.dictionaries(
    st.sampled_from([*ICREDIT_VALUES]) | st.text(max_size=3),
    st.text(max_size=4) | st.floats() | st.sampled_from([-1, 0, 1, 3, None, True, [], [None], {}]),
    max_size=3,
)


def require_shape(path: str, reply: Reply) -> None:
    assert reply.status == 200
    assert "Traceback" not in reply.body
    answer = reply.json
    if answer["PERSON_TOKEN_STATUS"] == "1":
        assert failure(answer) != "INTERNAL_ERROR"
        assert ("PERSON_TOKEN_ENEITY" in answer) == (path == ANALYSIS)
    elif answer != {"PERSON_TOKEN_STATUS": "0"}:  # of a deletion
        assert set(answer) == {"PERSON_TOKEN_STATUS"} | ENTITIES[path]
        rows = [row for value in answer.values() if isinstance(value, list) for row in value]
        assert all(isinstance(value, str) for row in rows for value in row.values())
