from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from foodco_storage.flows.place import Place
from foodco_storage.layers.sight import Found
from foodco_storage.verify.comparison import compare, md5_of
from foodco_storage.verify.listing import Row
from foodco_storage.verify.pairs import Pair

ONE, OTHER = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("head", "md5"),
    [
        ({"ETag": f'"{ONE}"'}, ONE),
        ({"ETag": ONE.upper()}, ONE),
        ({"ETag": f'"{ONE}"', "ServerSideEncryption": "AES256"}, ONE),
        ({"ETag": f'"{ONE}"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": f'"{ONE}"', "SSECustomerAlgorithm": "AES256"}, None),
        ({"ETag": f'"{ONE}-2"'}, None),
        ({"ETag": '"' + "z" * 32 + '"'}, None),
        ({"ETag": ""}, None),
        ({}, None),
    ],
)
def test_which_etags_are_md5s(head, md5):
    assert md5_of(head) == md5


def found(**head: Any) -> Found:
    return Found(Place("p"), {"ContentLength": 1, "ETag": f'"{ONE}"', "Metadata": {}, **head})


@pytest.mark.parametrize(
    ("other", "content"),
    [
        (found(), True),
        (found(ETag=OTHER), False),
        (found(ContentLength=2), False),
        (found(ETag=OTHER, ServerSideEncryption="aws:kms"), None),
        (found(ETag=f"{OTHER}-1"), None),
        (found(ETag=f"{OTHER}-1", Metadata={"foodco-write": "w"}), True),
        (found(ETag=f"{OTHER}-1", Metadata={"foodco-write": "x"}), None),
        (found(ETag=OTHER, Metadata={"foodco-write": "w"}), False),
    ],
)
def test_content(other, content):
    assert compare(found(Metadata={"foodco-write": "w"}), other).content is content


def test_listings_that_look_alike():
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    row = Row("k", ONE, 1, when, False)
    assert Pair("k", row, row).looks_alike
    for other in (row._replace(size=2), row._replace(etag=OTHER), None):
        assert not Pair("k", row, other).looks_alike
    blank = row._replace(etag="")
    assert not Pair("k", blank, blank).looks_alike
