"""Answers that botocore takes for an empty one, and that no store gave.

botocore reads an answer that was cut off after its headers, and any page of well-formed HTML, as one with nothing in it: a
listing without keys, an object without tags. Believed, a whole bucket would be gone.
"""

from __future__ import annotations

from botocore.exceptions import ResponseStreamingError

from foodco_storage.flows.request import Response

_ALWAYS_THERE = {
    "CreateMultipartUpload": "UploadId",
    "GetObjectTagging": "TagSet",
    "ListObjects": "IsTruncated",
    "ListObjectsV2": "IsTruncated",
    "ListObjectVersions": "IsTruncated",
}
"""What every store sends of these, even where there is nothing to tell."""

_PARSERS = "botocore.parsers"

_OF_A_KEY = frozenset({"Key", "LastModified", "Size"})


def is_of_the_parser(error: ValueError) -> bool:
    """Whether botocore could not make sense of an answer: a date or a number that is none.

    Another's `ValueError` may be a user's: what his event handler raises has to reach him.
    """
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") == _PARSERS:
            return True
        frame = frame.tb_next
    return False


def check_whole(operation: str, response: Response) -> None:
    """Let the answer pass if it is what a store tells.

    Raises:
        botocore.exceptions.ResponseStreamingError: it is not.
    """
    needed = _ALWAYS_THERE.get(operation)
    if needed is None or response.get("ResponseMetadata", {}).get("HTTPHeaders") is None:
        # Without headers it never was on a network: botocore's Stubber made it.
        return
    if needed not in response or not all(item.keys() >= _OF_A_KEY for item in response.get("Contents", ())):
        why = f"{operation} was answered without what every store tells: cut off, or no S3 store answered"
        raise ResponseStreamingError(error=why)
