"""The types of boto3's S3 client and resource, for type checkers alone: from whichever stubs the user has.

By `*`, because a name that is imported from stubs that are missing counts as `Any`, and the other stubs would not replace
it. Without either of the two, both types are `Any`.
"""

try:
    from types_boto3_s3 import *  # noqa: F403
except ImportError:
    from mypy_boto3_s3 import *  # type: ignore[import-not-found,unused-ignore] # noqa: F403
