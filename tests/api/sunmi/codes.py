"""Which code each parameter of each endpoint gets, if it is missing or wrong."""

ANY_TEXT = (0, 0, 0, 0, 0, 0)
MALFORMED = (2, 2, 2, 2, 2, 2)
A_GROUP = (2, 2, 204, 204, 204, 204)
MAYBE_A_NUMBER = (0, 0, 2, 2, 2, 2)
A_VALUE = (0, 0, 2, 0, 0, 0)
A_FILE_SENT_AS_TEXT = (2, 2, 2, 2, 2, 2)

CODES: dict[tuple[str, str], tuple[int, ...]] = {
    ("createGroup", "name"): (2, 201, 201, 0, 0, 0),
    ("createGroup", "capacity"): (2, 2, 2, 2, 212, 212),
    ("createGroup", "description"): (2, 0, 2, 0, 0, 0),
    ("updateGroup", "old_name"): A_GROUP,
    ("updateGroup", "name"): (2, 201, 201, 0, 0, 0),
    ("updateGroup", "capacity"): (2, 2, 2, 2, 212, 212),
    ("updateGroup", "description"): (2, 0, 2, 0, 0, 0),
    ("updateMigration", "arrive_times"): MALFORMED,
    ("updateMigration", "period"): MALFORMED,
    ("deleteGroup", "name"): A_GROUP,
    ("addFaceInfoItem", "num"): (2, 2, 2, 2, 241, 241),
    ("addFaceInfoItem", "group_name"): A_GROUP,
    ("addFaceInfoItem", "name_list"): (2, 2, 242, 2, 0, 0),
    ("removeFaceInfoItem", "num"): (2, 2, 2, 2, 241, 241),
    ("removeFaceInfoItem", "group_name"): A_GROUP,
    ("removeFaceInfoItem", "name_list"): (2, 2, 242, 2, 243, 243),
    ("getFaceInfoItem", "group_name"): A_GROUP,
    ("addFace", "group_name"): A_GROUP,
    ("addFace", "faceid"): (0, 0, 2, 2, 0, 0),
    ("addFace", "pic"): A_FILE_SENT_AS_TEXT,
    ("addFace", "age"): MAYBE_A_NUMBER,
    ("addFace", "gender"): MAYBE_A_NUMBER,
    ("addFace", "new_group_name"): ANY_TEXT,
    ("addFace", "item1"): A_VALUE,
    **{("addFace", f"item{place}"): ANY_TEXT for place in range(2, 6)},
    ("deleteFace", "num"): MALFORMED,
    ("deleteFace", "group_name"): A_GROUP,
    ("deleteFace", "faceid_list"): (2, 2, 2, 2, 0, 0),
    ("updateFace", "group_name"): A_GROUP,
    ("updateFace", "faceid"): (2, 2, 207, 207, 207, 207),
    ("updateFace", "new_group_name"): (0, 0, 204, 204, 204, 204),
    ("updateFace", "pic"): (0, 0, 2, 2, 2, 2),
    ("updateFace", "age"): MAYBE_A_NUMBER,
    ("updateFace", "gender"): MAYBE_A_NUMBER,
    ("updateFace", "item1"): A_VALUE,
    **{("updateFace", f"item{place}"): ANY_TEXT for place in range(2, 6)},
    ("getFace", "faceid"): MALFORMED,
    ("getFaceList", "group_name"): MALFORMED,
    ("getFaceList", "page_num"): (0, 0, 2, 2, 2, 0),
    ("getFaceList", "page_size"): MAYBE_A_NUMBER,
    ("getFaceByArrival", "group_name"): (2, 2, 207, 207, 207, 207),
    ("getFaceByArrival", "num"): MAYBE_A_NUMBER,
    ("getFaceByPicture", "pic"): A_FILE_SENT_AS_TEXT,
}
"""The code for each of SENT, in its order."""
