"""What an object takes along when it is copied from one store to another: content headers, metadata, tags."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from urllib.parse import urlencode

from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused

CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
)
"""Parameters of a PUT, and members of a GET's answer, that describe the content."""

# Of stores that know no tags, and of those that have an error for an object without.
_NO_TAGS = frozenset({"NotImplemented", "NoSuchTagSet"})


def kept(request: Request, place: Place, answer: Response) -> Parameters:
    """Content headers and metadata of what a GET or HEAD answered, as parameters of a PUT.

    Raises:
        Rejected: some of the metadata can't be carried.
    """
    if answer.get("MissingMeta"):
        raise refused(
            request,
            f"{answer['MissingMeta']} metadata entries of the source on {place.backend!r} can't be read as headers and "
            "would be lost; copy with MetadataDirective='REPLACE'",
        )
    carried: Parameters = {name: answer[name] for name in CONTENT_HEADERS if name in answer}
    # `Expires` is parsed, and left out where it is no date; the header as it was stands beside it.
    if "ExpiresString" in answer:
        carried["Expires"] = answer["ExpiresString"]
    if encoding := without_aws_chunked(carried.pop("ContentEncoding", "")):
        carried["ContentEncoding"] = encoding
    if answer.get("Metadata"):
        carried["Metadata"] = answer["Metadata"]
    return carried


def tag_set(place: Place, which: Parameters) -> Generator[Any, Any, list[tuple[str, str]]]:
    """The tags of an object, in order of their keys; none on a store that knows no tags."""
    try:
        answer: Response = yield Call(place, Request("GetObjectTagging", which))
    except Rejected as error:
        if error.code not in _NO_TAGS:
            raise
        return []
    return sorted((tag["Key"], tag["Value"]) for tag in answer["TagSet"])


def tags(place: Place, which: Parameters, read: Response) -> Generator[Any, Any, Parameters]:
    """The source's tags as a parameter of a PUT.

    Asked for even where the GET counted none: S3 leaves the count out for callers who may not read tags, and fails their
    copies (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, x-amz-tagging-count).

    Args:
        place: of the source.
        which: bucket, key and perhaps version of the source.
        read: what a GET or HEAD of it answered.
    """
    if "VersionId" in read:
        which = {**which, "VersionId": read["VersionId"]}
    found = yield from tag_set(place, which)
    return {"Tagging": urlencode(found)} if found else {}


def without_aws_chunked(content_encoding: str) -> str:
    """The encoding that the user meant: `aws-chunked` is one of the transfer (boto3 issue 4564)."""
    names = (name.strip() for name in content_encoding.split(","))
    return ",".join(name for name in names if name and name != "aws-chunked")
