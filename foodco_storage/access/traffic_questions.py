"""Where reads are served from, how, and who asks: questions over traffic, requests, and the readers of server logs."""

# ruff: noqa: S608 - what is put into statements are dates, numbers and names of this package

from __future__ import annotations

from foodco_storage.access.asking import Answer, Local, Source, in_tables, recent_days

_SERVED = "outcome IN ('ok', 'abandoned', 'not_modified')"
_FROM_A_STORE = "cache NOT IN ('memory', 'disk')"

# Of the names of https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html: REST.GET.OBJECT, BATCH.DELETE.OBJECT.
# The order decides: REST.POST.DELETE_MULTI_OBJECT is no write, and the source of a copy (REST.COPY.OBJECT_GET) is read.
_CLASS = """CASE
    WHEN operation LIKE '%.DELETE.OBJECT' OR operation LIKE '%.DELETE_MULTI_OBJECT%'
        OR operation IN ('S3.EXPIRE.OBJECT', 'S3.CREATE.DELETEMARKER') THEN 'delete'
    WHEN operation LIKE '%.GET.OBJECT' OR operation IN ('REST.COPY.OBJECT_GET', 'REST.COPY.PART_GET') THEN 'read'
    WHEN operation LIKE '%.HEAD.OBJECT' THEN 'look'
    WHEN operation IN ('REST.GET.BUCKET', 'REST.GET.BUCKETVERSIONS', 'REST.GET.UPLOADS') THEN 'list'
    WHEN operation IN (
        'REST.PUT.OBJECT', 'REST.POST.OBJECT', 'REST.COPY.OBJECT', 'REST.PUT.PART', 'REST.COPY.PART', 'REST.POST.UPLOADS',
        'REST.POST.UPLOAD'
    ) THEN 'write'
    ELSE 'other' END"""


def still_reads(source: Source, *, since_days: int = 7) -> Answer:
    """Who still reads from another store than the primary, and why. What a cache answered is no such read.

    Returns:
        service, route, bucket, backend, why (`foodco_storage.access.traffic.why`), operations (GETs and HEADs), bytes,
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


def readers(source: Local, *, since_days: int = 30, limit: int = 100, bucket: str | None = None) -> Answer:
    """Who does what, by S3's own access logs: with this library or without, also what failed.

    Args:
        source: a host's own statistics; what server logs tell is not shipped.
        since_days: of the last days, today included.
        limit: so many rows at most.
        bucket: of one bucket, as callers say it; None for all.

    Returns:
        requester (an ARN or canonical id; `-` for anonymous ones), agent (the program), bucket, operation (`read`, `look` for
        a HEAD, `list`, `write` with parts of uploads, `delete`, `other`), operations, bytes (of their answers); the most
        operations first.

    Raises:
        StatisticsError: the store can't be used.
    """
    since, recent = recent_days(source, since_days, 1.0)
    question = f"""
        WITH {recent},
        classed AS (SELECT requester, agent, bucket, {_CLASS} AS class, operations, size FROM readers JOIN recent USING (day))
        SELECT requester, agent, bucket, class AS operation, sum(operations) AS operations, sum(size) AS bytes
        FROM classed WHERE bucket = coalesce($bucket, bucket)
        GROUP BY requester, agent, bucket, class
        ORDER BY sum(operations) DESC, requester, agent, bucket, class LIMIT $limit
    """
    return source.ask(question, {"bucket": in_tables(bucket), "limit": limit}, since)
