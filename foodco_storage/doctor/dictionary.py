"""Whether the dictionary that a route compresses with lies where its objects need it."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import Place, Store
from foodco_storage.layers.dictionaries import FOLDER, MOST_BYTES, id_of


def dictionary(store: Store, place: Place) -> Iterator[Finding]:
    """Read the dictionary of a route on its primary; nothing to say where the route has none."""
    wanted = place.route.compression.dictionary
    if wanted is None:
        return
    key = f"{place.route.reserved_prefix}{FOLDER}{wanted}"
    advice = (
        f"`foodco-storage dictionary list {place.route_name} --repair` puts it back from another copy; until then objects "
        "that need it can't be read, and new ones are compressed without it"
    )
    try:
        answer = store.call("GetObject", {"Bucket": place.bucket, "Key": key})
        with answer["Body"] as body:
            data = body.read(MOST_BYTES)
    except (BotoCoreError, ClientError) as error:
        yield Finding("error", place.subject, f"the dictionary {wanted} can't be read: {error}", advice)
        return
    if id_of(data) != wanted:
        yield Finding("error", place.subject, f"the dictionary {wanted} is damaged", advice)
        return
    yield Finding("ok", place.subject, f"the dictionary {wanted} is there ({len(data):,} bytes)")
