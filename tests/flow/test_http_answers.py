"""What an answer is counted as: conditions, leases and positions apart from each other and never as an outage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.http_answers import ANSWER_CLASSES, answer_class

TABLE = [
    (200, "", "ok"),
    (201, "", "ok"),
    (202, "", "ok"),
    (204, "", "ok"),
    (206, "", "ok"),
    (301, "", "invalid"),
    (304, "", "not-modified"),
    (304, "ConditionNotMet", "not-modified"),
    (400, "InvalidInput", "invalid"),
    (401, "AuthenticationFailed", "refused"),
    (403, "AuthorizationPermissionMismatch", "refused"),
    (404, "BlobNotFound", "not-found"),
    (404, "ResourceNotFound", "not-found"),
    (410, "", "not-found"),
    (412, "", "precondition"),
    (412, "ConditionNotMet", "precondition"),
    (412, "UpdateConditionNotSatisfied", "precondition"),
    (412, "SourceConditionNotMet", "precondition"),
    (412, "TargetConditionNotMet", "precondition"),
    (412, "AppendPositionConditionNotMet", "position"),
    (412, "MaxBlobSizeConditionNotMet", "position"),
    (412, "SequenceNumberConditionNotMet", "position"),
    (416, "InvalidRange", "position"),
    (416, "", "position"),
    (412, "LeaseIdMissing", "lease"),
    (412, "LeaseIdMismatchWithBlobOperation", "lease"),
    (412, "LeaseLost", "lease"),
    (412, "LeaseNotPresentWithBlobOperation", "lease"),
    (409, "LeaseIdMismatchWithLeaseOperation", "lease"),
    (409, "LeaseAlreadyPresent", "lease"),
    (409, "LeaseIsBrokenAndCannotBeRenewed", "lease"),
    (412, "InfiniteLeaseDurationRequired", "lease"),
    (409, "BlobAlreadyExists", "conflict"),
    (409, "EntityAlreadyExists", "conflict"),
    (409, "TableBeingDeleted", "conflict"),
    (409, "", "conflict"),
    (429, "", "throttled"),
    (429, "SubscriptionRequestsThrottled", "throttled"),
    (503, "ServerBusy", "throttled"),
    (503, "", "outage"),
    (408, "", "outage"),
    (500, "InternalError", "outage"),
    (500, "OperationTimedOut", "outage"),
    (502, "", "outage"),
    (504, "GatewayTimeout", "outage"),
    (0, "", "outage"),
]


@pytest.mark.parametrize(("status", "code", "wanted"), TABLE)
def test_each_answer_has_its_class(status: int, code: str, wanted: str) -> None:
    assert answer_class(status, code) == answer_class(status, code.upper()) == wanted


def test_every_class_stands_in_the_table_of_this_test() -> None:
    assert {wanted for _, _, wanted in TABLE} == ANSWER_CLASSES


@pytest.mark.parametrize("code", ["LeaseLost", "AppendPositionConditionNotMet", "ConditionNotMet", "ServerBusy"])
def test_a_good_answer_and_an_outage_are_not_renamed_by_a_code(code: str) -> None:
    assert answer_class(200, code) == "ok"
    assert answer_class(500, code) == "outage"


@given(st.integers(-10, 1000), st.text(max_size=40))
def test_whatever_a_server_sends_is_one_of_the_closed_set(status: int, code: str) -> None:
    assert answer_class(status, code) in ANSWER_CLASSES


@given(st.sampled_from([304, 409, 412, 416, 429]), st.text(max_size=40))
def test_no_condition_is_ever_counted_as_an_outage(status: int, code: str) -> None:
    assert answer_class(status, code) != "outage"
