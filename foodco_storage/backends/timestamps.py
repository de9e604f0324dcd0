"""Times in answers: of botocore's parser three quarters of a listing, and a tenth of every GET, is dateutil's guessing.

S3 writes times in two ways only (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, RFC 9110 5.6.7). Those are
read by their places, to the values that botocore gives; anything else is left to botocore.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, tzinfo
from typing import Any, Final

from botocore.parsers import ResponseParserFactory
from botocore.utils import parse_timestamp
from dateutil.tz import tzlocal, tzutc

_ISO: Final = re.compile(
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}|\.[0-9]{6})?Z", re.ASCII
)
"""`2026-11-24T19:37:30.000Z`"""

_HTTP: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), "
    r"([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([12][0-9]{3}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    re.ASCII,
)
"""`Tue, 24 Nov 2026 19:37:30 GMT`"""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}

_UTC: Final = tzutc()
_LOCAL_IS_UTC: Final = ("UTC", "UTC")


def parse(value: Any) -> datetime:
    """The time that botocore would find.

    Raises:
        ValueError, RuntimeError: as botocore raises them.
    """
    if isinstance(value, str):
        try:
            if _ISO.fullmatch(value) is not None and (zone := _zone_of_z()) is not None:
                return datetime.fromisoformat(value[:-1]).replace(tzinfo=zone)
            if (match := _HTTP.fullmatch(value)) is not None:
                day, month, year, hour, minute, second = match.groups()
                return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=_UTC)
        except ValueError:
            # No such day or hour: botocore has a message for it.
            return _botocore(value)
    return _botocore(value)


def _zone_of_z() -> tzinfo | None:
    """What dateutil makes of `Z`, which it calls UTC; None where that takes more thought."""
    if time.tzname == _LOCAL_IS_UTC:
        local: tzinfo = tzlocal()
        return local
    return None if "UTC" in time.tzname else _UTC


def _botocore(value: Any) -> datetime:
    found: datetime = parse_timestamp(value)
    return found


def read_fast(client: Any) -> None:
    """Make a client read times so; one whose session has a parser of its own is left as it is."""
    endpoint = client._endpoint  # noqa: SLF001 - botocore has no public way to do this for one client
    factory = endpoint._response_parser_factory  # noqa: SLF001
    if type(factory) is ResponseParserFactory and not factory._defaults:  # noqa: SLF001
        own = ResponseParserFactory()
        own.set_parser_defaults(timestamp_parser=parse)
        endpoint._response_parser_factory = own  # noqa: SLF001
