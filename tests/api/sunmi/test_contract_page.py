"""docs/contract/sunmi.md: each statement is shown by a test, and each table says what the code says."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.api.http import CHARSETS
from chalicelib.api.sunmi.endpoint import LISTED
from chalicelib.api.sunmi.request import ITEMS, PUBLIC
from chalicelib.api.sunmi.routes import ENDPOINTS
from tests.api import test_absorbing, test_failures, test_forms, test_http
from tests.api.contract import Table, names, rules_of, section, tables, unquoted
from tests.api.sunmi import test_contract as rules
from tests.api.sunmi import test_errors as failures
from tests.api.sunmi import test_pictures as pictures
from tests.api.sunmi import test_reading as reading
from tests.api.sunmi import test_requests as requests
from tests.api.sunmi import test_retries as retries
from tests.api.sunmi import test_source_examples as examples
from tests.api.sunmi import test_wire as shown
from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import SAMPLES
from tests.core import test_sighting
from tests.services.sightings import test_any_order, test_visitor_book

PAGE = rules_of("sunmi")
ALWAYS = {0, 1, 2, 3, 5, 7, 211}
FAILURE = test_failures.test_a_failure_of_any_use_case_is_logged_once_and_counted_and_its_cause_is_told_to_nobody

SHOWN_BY: dict[str, Callable[..., None]] = {
    "Each call is POST": test_http.test_every_endpoint_declares_every_method_and_answers_405_to_all_but_post,
    "Another method is HTTP 405; another content type, or a charset that is not known, HTTP 415; ... 413.": (
        requests.test_other_methods_are_405_other_content_types_415_and_long_bodies_413
    ),
    "or a charset that is not known": test_http.test_other_content_types_and_charsets_are_415,
    "Every endpoint takes": requests.TestForms.test_either_content_type_is_accepted,
    "a picture is a file of a multipart form": pictures.test_a_picture_is_required_and_is_a_file,
    "A part of a multipart form is a file if it has a file name, or a content type that is no text.": (
        test_forms.test_a_part_of_a_type_that_is_no_text_is_a_file_without_a_name_too
    ),
    "Every answer has the header Server-Timing": test_http.test_every_answer_tells_how_long_its_stages_took,
    "The headers X-Regulars-Score": pictures.test_headers_tell_what_it_was_decided_by,
    "Text is UTF-8, or in the charset that the content type declares:": requests.test_a_charset_parameter_is_honoured,
    "Text that is not in its charset is code 2.": requests.test_a_value_that_is_not_utf_8_is_2,
    "A form has up to 200 parameters, a multipart form up to 40": test_forms.test_the_number_of_parameters_is_limited,
    "Every answer is HTTP 200 and JSON in UTF-8, ... data is left out if there is none.": (
        requests.test_a_signed_post_is_answered_with_code_0_and_no_msg
    ),
    "A code other than 0 comes with msg": requests.test_a_parameter_that_is_missing_or_wrong_gets_its_code,
    "A repeated parameter is code 2.": requests.test_a_repeated_parameter_is_2_however_it_is_spelt,
    "An unknown parameter is ignored, and signed like every other.": (
        requests.TestForms.test_an_unknown_parameter_is_ignored_but_signed
    ),
    "An empty optional parameter counts as not sent.": requests.test_a_parameter_that_is_missing_or_wrong_gets_its_code,
    "1 MB is 1,048,576 bytes.": pictures.test_one_megabyte_is_1048576_bytes,
    "random has 6 to 10 letters or digits.": requests.test_a_wrong_public_parameter_gets_its_code,
    "It may repeat by itself": requests.test_random_has_six_to_ten_letters_or_digits_and_may_repeat,
    "A timestamp of 13 digits is read as milliseconds": (
        requests.TestForms.test_millisecond_timestamps_lower_case_signs_and_serials_are_taken
    ),
    "the 11 digits of the vendor's examples are far off, code 3": (
        examples.test_a_printed_form_byte_for_byte_is_3_since_its_timestamp_has_11_digits
    ),
    "the operator can set another tolerance": requests.test_the_operator_can_set_another_tolerance,
    "The clocks of both sides may differ by 300 s each way": requests.test_the_clock_may_differ_by_300_seconds_each_way,
    "These parameters go with every call:": requests.test_a_public_parameter_that_is_missing_empty_or_repeated_is_2,
    "Take every parameter but sign and the files ... Sort by name ... For MD5 ... is the sign.": (
        reading.test_golden_signatures_are_made_and_accepted_in_any_order
    ),
    "For HMAC-SHA256, append nothing.": requests.TestHmac.test_hmac_sha256_is_accepted_in_either_case_of_hex,
    "sign_type=HMAC-SHA256 is sent and signed": requests.TestHmac.test_sign_type_is_signed,
    "The HMAC-SHA256 of the text under the app key, in hex, is the sign": (
        requests.TestHmac.test_a_tenant_can_be_set_to_refuse_md5
    ),
    "Hex is accepted in either case": reading.test_hex_is_accepted_in_either_case,
    "Parameters with an empty value may have been left out of the signed text or kept in it": (
        reading.test_empty_values_may_be_signed_or_left_out
    ),
    "A tenant can be set to refuse MD5": requests.TestHmac.test_a_tenant_can_be_set_to_refuse_md5,
    "Two values to check ... 12345678 ... has the sign 6413A7275DBE256D936AAEF5F1D958B9.": (
        reading.test_golden_signatures_are_made_and_accepted_in_any_order
    ),
    "A call that changes something is known by ... If it comes again ... nothing is done twice.": (
        retries.test_a_retry_gets_the_stored_answer_and_nothing_is_done_twice
    ),
    "The same content is": retries.test_the_same_content_in_another_shape_is_the_same_request,
    "The same four with other content are code 3": retries.test_the_same_four_with_other_bytes_are_3_and_change_nothing,
    "A stranger whom the cameras made of the same person becomes part of the new face": (
        test_absorbing.test_sunmi_answers_the_new_faceid_which_cameras_and_searches_find_from_then_on
    ),
    "On one box, a change that comes with the same four as an earlier read": (
        retries.test_a_change_under_the_signature_of_a_read_is_3_and_changes_nothing
    ),
    "Failures are stored too": retries.test_a_failure_is_stored_too,
    "codes 1, 211 and 220 are not": retries.test_codes_1_211_and_220_are_not_stored,
    "Retries are judged after the sign, for each app_id by itself": retries.test_each_tenant_has_its_own_requests,
    "a wrong sign uses up nothing": retries.test_a_wrong_sign_burns_nothing,
    "A retry that comes while the first call still runs": (
        retries.test_copies_that_arrive_at_once_are_done_once_and_answered_alike
    ),
    "Calls that only read are answered anew each time.": retries.test_a_read_is_simply_answered_again,
    "Method, content type, size": test_http.test_the_method_is_judged_before_the_content_type,
    "A required public parameter that is missing or empty ... A malformed random, a ... An unknown app_id": (
        requests.test_faults_are_told_in_the_contracts_order
    ),
    "A tenant that is not activated: code 7.": requests.test_a_tenant_that_is_not_activated_is_7_once_it_has_signed,
    "A call that was answered before:": retries.test_a_retried_delete_group_is_done_even_though_the_group_is_gone,
    "Values of attributes are judged with the group": requests.test_a_parameter_that_is_missing_or_wrong_gets_its_code,
    "A call that fails changes nothing.": rules.test_endpoint_3_the_rule_is_shown_and_survives_a_refusal,
    "The vendor's own examples need this.": examples.test_every_printed_request_and_response_has_a_test,
    "Signatures are made and checked on what was sent, before any of it.": (
        requests.TestForms.test_names_are_trimmed_and_their_first_letter_is_of_either_case
    ),
    "Names of parameters are trimmed": reading.test_our_names_are_trimmed_and_their_first_letter_is_of_either_case,
    "The first letter of our own names may be of either case": (
        reading.test_our_names_are_trimmed_and_their_first_letter_is_of_either_case
    ),
    "other letters keep theirs": reading.test_other_letters_keep_their_case,
    "names of attributes match exactly": reading.test_names_of_attributes_match_exactly,
    "In a list, the quotes ... a list that still is no JSON ... Numbers in a JSON list are read as their text": (
        reading.test_lists_are_read_as_they_were_meant
    ),
    "Two spellings of one name in one call are a repetition.": reading.test_two_spellings_of_one_name_are_a_repetition,
    "0 done.": requests.test_a_signed_post_is_answered_with_code_0_and_no_msg,
    "1 an internal error, never for bad input.": FAILURE,
    "2 a parameter is missing, malformed or out of range.": (
        requests.test_a_parameter_that_is_missing_or_wrong_gets_its_code
    ),
    "3 the timestamp is beyond ... 5 the app_id is unknown or the sign is wrong.": (
        requests.test_a_wrong_public_parameter_gets_its_code
    ),
    "7 the tenant is not activated.": requests.test_a_tenant_that_is_not_activated_is_7_once_it_has_signed,
    "or the tenant is.": failures.test_an_unlisted_code_falls_back_as_the_contract_says,
    "211 storage is unavailable; nothing was changed.": FAILURE,
    "220 the face library is busy; nothing was changed": retries.test_codes_1_211_and_220_are_not_stored,
    "none; more than 5 attributes": rules.test_rule,
    "there already, or named twice; reserved.": (
        rules.test_code_242_a_name_that_is_reserved_or_that_add_face_reads_as_one_of_ours
    ),
    "An endpoint answers the codes 0, 1, 2, 3, 5, 7, 211 and those of its row": (
        failures.test_every_error_has_a_listed_code_on_every_endpoint
    ),
    "If the fitting code is not listed": failures.test_an_unlisted_code_falls_back_as_the_contract_says,
    "getFaceByArrival 207 for an unknown group": failures.test_an_unlisted_code_falls_back_as_the_contract_says,
    "211 stands in for 220, and 2 for any other code.": failures.test_an_unlisted_code_falls_back_as_the_contract_says,
    "Nor may they be called a parameter of addFace or a public one with a capital first letter": (
        rules.test_code_242_a_name_that_is_reserved_or_that_add_face_reads_as_one_of_ours
    ),
    "Profile camera: 10 groups": rules.test_rule,
    "capacities that sum up to 30,000": rules.test_rule,
    "Profile cloud: 1,000 groups, 1,000,000 faces": rules.test_a_group_without_a_capacity_shows_the_tenants_total,
    "Codes 202 and 212 follow the profile.": rules.test_a_cloud_tenants_group_needs_no_capacity,
    "The operator may set other numbers of groups and faces for a tenant.": (
        rules.test_limits_that_the_operator_set_hold_in_place_of_the_profiles
    ),
    "age_range is 1 for 0 to 6 years": shown.test_age_ranges,
    "Every attribute of the group is there": shown.test_a_face_carries_its_attributes_by_name_and_by_place,
    "Two default groups, stranger and regular ... up to 8 more can be created.": (
        rules.test_the_default_groups_are_there_from_the_first_day
    ),
    "up to 8 more can be created": rules.test_rule,
    "A name has 1 to 96 characters, no leading space and no control character, such as a line break.": rules.test_rule,
    "It is accepted as description or Description, and answered as description.": (
        rules.test_endpoint_1_and_2_description_is_taken_in_either_spelling_and_answered_as_description
    ),
    "There is no data in the answer.": examples.TestGroups.test_create_group,
    "A default group keeps its name; its capacity and description may change.": (
        rules.test_endpoint_2_a_default_groups_capacity_and_description_may_change
    ),
    "A tenant starts with 5 times in 7 days.": (rules.test_the_default_groups_are_there_from_the_first_day),
    "A stranger moves to regular as soon as it has at least": (
        test_any_order.test_strangers_included_any_order_with_duplicates_gives_the_book_of_the_definitions
    ),
    "rolling and to the second": test_sighting.test_who_arrives_often_enough_is_a_regular,
    "A new rule holds from the next arrival of each face on.": (
        test_sighting.test_an_easier_rule_counts_from_the_next_arrival_on_and_not_within_one
    ),
    "The faceid, the picture and the counts stay.": (
        test_visitor_book.test_a_stranger_who_keeps_coming_is_a_regular_with_faceid_picture_and_counts
    ),
    "If regular is full, the face stays a stranger": (
        test_sighting.test_a_full_group_refuses_and_is_tried_again_at_the_next_arrival
    ),
    "No parameters of its own.": requests.test_the_table_names_every_parameter_of_every_endpoint,
    "A group of the list has": rules.test_the_default_groups_are_there_from_the_first_day,
    "stranger comes first, then regular, then the others": (
        rules.test_endpoint_5_times_and_period_are_shown_of_stranger_alone
    ),
    "times and period are shown of stranger alone": rules.test_endpoint_5_times_and_period_are_shown_of_stranger_alone,
    "It is unique in the whole tenant.": rules.test_rule,
    "A tenant can be set to strict ids": rules.test_endpoint_9_a_tenant_can_be_set_to_strict_ids,
    "Generated ids are numeric, ordered by time and unique.": (
        rules.test_endpoint_9_generated_ids_are_numeric_time_ordered_and_unique
    ),
    "Else it is 210, with the count of faces in msg.": (
        rules.test_endpoint_9_the_count_of_faces_is_told_where_none_is_clearly_the_largest
    ),
    "A picture that is sent as text is code 2.": rules.test_a_picture_sent_as_text_is_2,
    "Of several faces the largest is taken, as in addFace.": rules.test_rule,
    "A faceid that is not in group_name is 207, an unknown new_group_name 204.": rules.test_rule,
    "the arrivals": rules.TestLists.test_endpoint_11_a_move_keeps_the_arrivals,
    "the place by enrolment": rules.TestLists.test_endpoint_13_a_move_keeps_the_place_by_enrolment,
    "The answer's data is the face, with its group_name.": (
        rules.TestLists.test_endpoint_12_to_14_faces_carry_names_and_places_and_a_list_no_group_name
    ),
    "getFaceIDList is another name of this endpoint.": requests.test_the_samples_are_every_endpoint,
    "The list is in the order of enrolment, oldest first": (
        rules.TestLists.test_endpoint_13_a_list_is_in_the_order_of_enrolment_oldest_first
    ),
    "and its faces have no group_name": (
        rules.TestLists.test_endpoint_12_to_14_faces_carry_names_and_places_and_a_list_no_group_name
    ),
    "by default it is page 1 of 10 faces": rules.test_a_page_is_the_first_ten_where_nothing_is_said,
    "The faces whose last arrival is the longest ago come, longest first.": (
        rules.TestLists.test_endpoint_14_the_longest_away_come_first
    ),
    "Faces that never arrived count from their enrolment; their arrive_time is null": (
        rules.TestLists.test_endpoint_14_faces_that_never_arrived_count_from_their_enrolment
    ),
    "The answer's data is the face that matches, with its group_name.": (
        rules.TestLists.test_endpoint_12_to_14_faces_carry_names_and_places_and_a_list_no_group_name
    ),
}
"""Statements beside those that the walks of test_contract quote."""


def test_no_statement_of_the_page_is_left_out() -> None:
    ours = {"Attributes may not be called ... (ours)."}  # compared below, name by name
    quotes = [*SHOWN_BY, *rules.RULES, *ours]
    assert unquoted(PAGE, quotes) == []


def below(endpoint: str, first_column: str) -> Table:
    """The table of an endpoint's section that has this first column."""
    number = [one.name for one in ENDPOINTS].index(endpoint) + 1
    found = [table for table in tables(section(PAGE, f"{number}. {endpoint}")) if first_column in table[0]]
    return found[0] if found else []


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_parameters_are_those_that_the_endpoint_reads(endpoint: Any) -> None:
    listed = below(endpoint.name, "parameter")
    assert names(listed, "parameter") == endpoint.parameters
    for row in listed:
        missing, _, _, another_type, *_ = requests.CODES[endpoint.name, row["parameter"].strip("`")]
        assert row["required"] == ("yes" if missing == 2 else "no")
        if row["type"] == "whole number":
            assert another_type == 2


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_answer_has_the_fields_that_the_page_lists(shop_front: CameraClient, endpoint: Any) -> None:
    data = SAMPLES[endpoint.name].signed(shop_front, endpoint.name).answer().get("data", {})
    face = names(tables(section(PAGE, "A face in an answer"))[0], "field")
    if endpoint.name in ("getFace", "getFaceByPicture"):
        assert set(data) | ITEMS == face | ITEMS | {"weight"}
        return
    assert set(data) == names(below(endpoint.name, "field"), "field")
    for listed in data.get("face_group", []):
        extra = set() if listed["name"] == "stranger" else {"times", "period"}
        assert set(listed) == names(below(endpoint.name, "field of a group"), "field of a group") - extra
    if endpoint.name in ("getFaceList", "getFaceByArrival"):
        for listed in data["faceid_list"]:
            assert set(listed) | ITEMS == (face | ITEMS | {"weight"}) - {"group_name"}


def test_the_public_parameters_are_those_that_every_call_reads() -> None:
    (public,) = tables(section(PAGE, "Requests"))
    assert names(public, "parameter") == PUBLIC
    required = {row["parameter"].strip("`") for row in public if row["required"] == "yes"}
    assert required == {"app_id", "random", "timestamp", "sign"}


def test_each_endpoint_answers_the_codes_that_the_page_lists() -> None:
    (listed,) = tables(section(PAGE, "Codes"))
    codes = {row["endpoint"]: {int(code) for code in re.findall(r"\d+", row["its other codes"])} for row in listed}
    assert codes == {endpoint: set(each) - ALWAYS for endpoint, each in LISTED.items()}
    changing = {row["endpoint"] for row in listed if row["changes something"] == "yes"}
    assert changing == {endpoint.name for endpoint in ENDPOINTS if endpoint.changes}
    meanings = {int(code) for code in re.findall(r"(?m)^- \*\*(\d+)\*\* ", section(PAGE, "Codes"))}
    assert meanings == {code for each in LISTED.values() for code in each}


def test_the_reserved_names_are_those_of_the_page() -> None:
    vendors, ours = re.findall(r"(?s)(?:called|;)\s+([\w,\s]+?) \(", section(PAGE, "Reserved names"))
    assert vendors.replace(",", " ").split() == list(rules.RESERVED_BY_THE_SOURCE)
    assert ours.replace(",", " ").split() == list(rules.RESERVED_BY_US)


def test_the_charsets_are_those_of_the_page() -> None:
    found = re.search(r"one of ([^.]+)\.", section(PAGE, "Requests"))
    assert found
    assert {CHARSETS[name.lower()] for name in found[1].split(", ")} == set(CHARSETS.values())


def test_the_golden_signs_are_on_the_page() -> None:
    samples = re.findall(r"(?s)```\n(.*?)\n```", section(PAGE, "Signature"))
    pairs = [dict(pair.split("=") for pair in sample.split("&")) for sample in samples]
    assert pairs == [reading.DEVICE, reading.COMPANY]
