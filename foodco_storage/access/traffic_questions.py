"""Where reads are served from, and how: questions over traffic and requests."""

# ruff: noqa: S608 - what is put into statements are dates, numbers and names of this package

from __future__ import annotations

from foodco_storage.access.asking import Answer, Source, recent_days

_SERVED = "outcome IN ('ok', 'abandoned', 'not_modified')"
_FROM_A_STORE = "cache NOT IN ('memory', 'disk')"


def still_reads(source: Source, *, since_days: int = 7) -> Answer:
    """Who still reads from another store than the primary, and why. What a cache answered is no such read.

    Returns:
        service, route, bucket, backend, why (`foodco_storage.access.counting.why`), operations (GETs and HEADs), bytes,
        share_of_route (of all GETs and HEADs of the route that were answered, by caches too); the most operations first.
    """
    since, recent = recent_days(source, since_days, 1.0)
    question = f"""
        WITH {recent},
        looks AS (
            SELECT traffic.* FROM traffic JOIN recent USING (day)
            WHERE operation IN ('GetObject', 'HeadObject') AND {_SERVED}
        ),
        routes AS (SELECT route, sum(operations) AS all_operations FROM looks GROUP BY route)
        SELECT service, route, bucket, backend, why, sum(operations) AS operations, sum(size) AS bytes,
            sum(operations) / max(all_operations) AS share_of_route
        FROM looks JOIN routes USING (route)
        WHERE why NOT IN ('', 'stale') AND {_FROM_A_STORE}
        GROUP BY service, route, bucket, backend, why
        ORDER BY sum(operations) DESC, service, route, bucket, backend, why
    """
    return source.ask(question, {}, since)


def hit_ratios(source: Source, *, since_days: int = 7) -> Answer:
    """How many reads the caches answered.

    Returns:
        route, reads (GETs that were answered), memory, disk, miss, ratio (None for a route without a cache).
    """
    since, recent = recent_days(source, since_days, 1.0)
    by_level = ", ".join(
        f"sum(CASE WHEN cache = '{level}' THEN operations ELSE 0.0 END) AS {level}"
        for level in ("memory", "disk", "miss")
    )
    question = f"""
        WITH {recent},
        by_route AS (
            SELECT route, sum(operations) AS reads, {by_level} FROM traffic JOIN recent USING (day)
            WHERE operation = 'GetObject' AND {_SERVED} GROUP BY route
        )
        SELECT route, reads, memory, disk, miss,
            CASE WHEN memory + disk + miss > 0 THEN (memory + disk) / (memory + disk + miss) END AS ratio
        FROM by_route ORDER BY route
    """
    return source.ask(question, {}, since)


def backends(source: Source, *, since_days: int = 7) -> Answer:
    """What the stores were asked, and how they answered.

    Returns:
        backend, requests, attempts, retries, refused (4xx), errors (5xx, or no answer), sent_bytes, received_bytes,
        mean_seconds (of a request, its retries included).
    """
    since, recent = recent_days(source, since_days, 1.0)
    question = f"""
        WITH {recent}
        SELECT backend, sum(requests) AS requests, sum(attempts) AS attempts, sum(retries) AS retries,
            sum(CASE WHEN status = '4xx' THEN requests ELSE 0.0 END) AS refused,
            sum(CASE WHEN status IN ('5xx', 'none') THEN requests ELSE 0.0 END) AS errors,
            sum(sent_bytes) AS sent_bytes, sum(received_bytes) AS received_bytes,
            sum(seconds) / sum(requests) AS mean_seconds
        FROM requests JOIN recent USING (day) GROUP BY backend ORDER BY backend
    """
    return source.ask(question, {}, since)
