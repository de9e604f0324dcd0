"""What the library writes into metadata, and how nothing of it is seen by callers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.marks import (
    TOMBSTONE_BODY,
    TOMBSTONE_BYTES,
    TOMBSTONE_ETAG,
    has_marks,
    is_tombstone,
    may_be_tombstone,
    stamped,
    tombstone,
    without_marks,
    write_id,
)
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Request

MARKS = ("foodco-write", "foodco-origin", "foodco-tombstone")
names = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-_"), min_size=1, max_size=12)
metadata = st.dictionaries(names.filter(lambda name: not name.lower().startswith("foodco-")), st.text(max_size=8))


@given(metadata, st.text(min_size=1, max_size=20))
def test_a_stamp_is_read_back_and_taken_out_again(users: dict[str, str], number: str) -> None:
    params = {"Bucket": "b", "Key": "k", "Metadata": users}
    before = dict(users)
    request = Request("PutObject", params)
    sent = stamped(request, number)
    # Callers' dicts are never changed.
    assert params["Metadata"] is users
    assert users == before
    answer = {"Metadata": dict(sent.params["Metadata"]), "ResponseMetadata": {}}
    assert write_id(answer) == number
    assert has_marks(answer["Metadata"])
    assert not is_tombstone(answer)
    assert without_marks(answer)["Metadata"] == users


def test_no_metadata_at_all() -> None:
    assert stamped(Request("PutObject", {}), "1").params["Metadata"] == {"foodco-write": "1"}
    answers: list[dict[str, Any]] = [{}, {"Metadata": {}}, {"Metadata": None}]
    for answer in answers:
        assert write_id(answer) is None
        assert not is_tombstone(answer)


@pytest.mark.parametrize("wrong", [None, "text", 7, ["a"]])
def test_metadata_that_is_none_is_left_to_botocore(wrong: Any) -> None:
    """It raises ParamValidationError for each of these."""
    assert stamped(Request("PutObject", {"Metadata": wrong}), "1").params["Metadata"] is wrong


@pytest.mark.parametrize("name", [*MARKS, "Foodco-Write", "FOODCO-TOMBSTONE", "foodco-anything"])
def test_callers_can_not_write_marks(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        stamped(Request("PutObject", {"Metadata": {"dish": "soup", name: "1"}}), "1")
    assert isinstance(caught.value.error, OperationRefusedError)
    assert repr(name) in str(caught.value.error)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_names_of_metadata_have_no_case(case: Any) -> None:
    """HTTP's headers have none, and some stores answer `X-Amz-Meta-Foodco-Write`."""
    answer = {
        "Metadata": {
            case("foodco-write"): "1",
            case("foodco-tombstone"): "1",
            case("foodco-origin"): "",
            "Dish": "soup",
        }
    }
    assert is_tombstone(answer)
    assert write_id(answer) == "1"
    assert has_marks([case("foodco-origin")])
    assert without_marks(answer)["Metadata"] == {"Dish": "soup"}


def test_marks_go_from_the_headers_as_well() -> None:
    headers = {f"x-amz-meta-{mark}": "1" for mark in MARKS} | {"x-amz-meta-dish": "soup", "etag": '"e"'}
    answer = {"Metadata": {"foodco-write": "1"}, "ResponseMetadata": {"HTTPHeaders": headers}}
    assert without_marks(answer)["ResponseMetadata"]["HTTPHeaders"] == {"x-amz-meta-dish": "soup", "etag": '"e"'}


class TestTombstones:
    def test_any_two_are_the_same(self) -> None:
        one, other = tombstone("b", "k"), tombstone("c", "other")
        names = one.params.keys() - {"Bucket", "Key"}
        assert {name: one.params[name] for name in names} == {name: other.params[name] for name in names}
        assert len(one.params["Body"]) == TOMBSTONE_BYTES == 509
        assert hashlib.md5(TOMBSTONE_BODY).hexdigest() == TOMBSTONE_ETAG.strip('"')
        assert one.params["CacheControl"] == "no-store"
        assert is_tombstone({"Metadata": one.params["Metadata"]})

    def test_the_body_does_not_change_between_versions(self) -> None:
        """Lists tell tombstones by this ETag: those of older versions have to be told as well."""
        assert TOMBSTONE_ETAG == '"c4b32be3ac8ca0f26fb3e2354594a023"'

    @pytest.mark.parametrize(
        ("item", "verdict"),
        [
            ({"Size": 509, "ETag": TOMBSTONE_ETAG}, True),
            ({"Size": 509, "ETag": TOMBSTONE_ETAG.strip('"')}, True),
            ({"Size": 508, "ETag": TOMBSTONE_ETAG}, False),
            ({"ETag": TOMBSTONE_ETAG}, False),
            # Never uploaded in parts.
            ({"Size": 509, "ETag": '"0123-1"'}, False),
            # Encrypted, perhaps.
            ({"Size": 509, "ETag": '"0123456789abcdef0123456789abcdef"'}, None),
            ({"Size": 509}, None),
        ],
    )
    def test_in_a_list(self, item: dict[str, Any], verdict: bool | None) -> None:
        assert may_be_tombstone(item) is verdict


def test_the_documented_form_is_the_real_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "coexistence.md").read_text()
    assert TOMBSTONE_ETAG in page
    assert f"{len(TOMBSTONE_BODY)} bytes" in page
