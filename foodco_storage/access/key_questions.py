"""Which objects are read: questions over what was counted for keys and prefixes."""

# ruff: noqa: S608 - what is put into statements are dates, numbers and names of this package

from __future__ import annotations

from foodco_storage.access.asking import Answer, Source, in_tables, recent_days
from foodco_storage.access.prefixes import ANY_BUCKET, FOLD_DEPTH, WHOLE, as_text
from foodco_storage.access.rows import LIBRARY


def most_read_keys(
    source: Source,
    *,
    since_days: int = 30,
    limit: int = 100,
    bucket: str | None = None,
    prefix: str = "",
    half_life_days: float = 7.0,
    of: str = LIBRARY,
) -> Answer:
    """The keys that were read most.

    Args:
        source: who answers.
        since_days: of the last days, today included.
        limit: so many at most.
        bucket: of one bucket; None for all.
        prefix: of keys that begin so.
        half_life_days: after so long a read counts half in the score.
        of: `library`, or `server log`: what the library did may be in both.

    Returns:
        route, bucket, key, reads, missing_at_most (the true number of reads lies between `reads` and `reads +
        missing_at_most`), read_bytes, cache_hits, score, last_read_at; the most reads first.
    """
    since, recent = recent_days(source, since_days, half_life_days)
    question = f"""
        WITH {recent},
        lost AS (SELECT coalesce(sum(floor), 0.0) AS floor FROM floors JOIN recent USING (day) WHERE source = $source)
        SELECT route, bucket, key, sum(reads) AS reads,
            (SELECT floor FROM lost) + sum(told.lost - told.floor) AS missing_at_most,
            sum(read_bytes) AS read_bytes, sum(cache_hits) AS cache_hits, sum(reads * decay) AS score,
            max(last_read_at) AS last_read_at
        FROM told JOIN recent USING (day)
        WHERE source = $source AND depth = {WHOLE} AND bucket = coalesce($bucket, bucket)
            AND substr(key, 1, length($prefix)) = $prefix
        GROUP BY route, bucket, key HAVING sum(reads) > 0
        ORDER BY sum(reads) DESC, bucket, key, route LIMIT $limit
    """
    values = {"source": of, "bucket": in_tables(bucket), "prefix": as_text(prefix), "limit": limit}
    return source.ask(question, values, since)


def most_read_prefixes(
    source: Source,
    *,
    depth: int = 1,
    since_days: int = 30,
    limit: int = 100,
    bucket: str | None = None,
    half_life_days: float = 7.0,
    of: str = LIBRARY,
) -> Answer:
    """The prefixes below which was read most.

    Args:
        source: who answers.
        depth: up to so many slashes; keys with fewer count for the prefix up to their last.
        since_days: of the last days, today included.
        limit: so many at most.
        bucket: of one bucket; None for all.
        half_life_days: after so long a read counts half in the score.
        of: `library`, or `server log`.

    Returns:
        route, bucket, prefix, keys (that are told apart), reads, missing_at_most (reads of keys of which only a shorter
        prefix is known, or not even the bucket), read_bytes, score, last_read_at; the most reads first. A prefix that is
        known to stand for longer ones only is there as well, and buckets that are told apart no more are bucket `*`: without
        `bucket`, the reads of all rows together are all reads.
    """
    since, recent = recent_days(source, since_days, half_life_days)
    is_above = " OR ".join(
        [
            "1 = 0",
            *(f"(b.depth = {n} AND b.prefix = prefix_of(a.prefix, {n}))" for n in range(min(depth, FOLD_DEPTH + 1))),
        ]
    )
    question = f"""
        WITH {recent},
        by_key AS (
            SELECT route, bucket, key, CASE WHEN depth < {depth} THEN depth ELSE {depth} END AS depth,
                CASE WHEN depth = {WHOLE} THEN 1 ELSE 0 END AS is_key,
                sum(reads) AS reads, sum(read_bytes) AS read_bytes, sum(reads * decay) AS score,
                max(last_read_at) AS last_read_at
            FROM told JOIN recent USING (day)
            WHERE source = $source AND bucket IN (coalesce($bucket, bucket), '{ANY_BUCKET}')
            GROUP BY route, bucket, key, told.depth HAVING sum(reads) > 0
        ),
        top AS (
            SELECT route, bucket, prefix_of(key, {depth}) AS prefix, CAST(sum(is_key) AS BIGINT) AS keys,
                sum(reads) AS reads, sum(read_bytes) AS read_bytes, sum(score) AS score, max(last_read_at) AS last_read_at
            FROM by_key WHERE bucket = coalesce($bucket, bucket)
            GROUP BY 1, 2, 3 ORDER BY sum(reads) DESC, 2, 3, 1 LIMIT $limit
        ),
        rests AS (
            SELECT route, bucket, key AS prefix, depth, sum(reads) AS reads FROM by_key
            WHERE depth < {depth} OR bucket = '{ANY_BUCKET}'
            GROUP BY 1, 2, 3, 4
        ),
        missing AS (
            SELECT a.route, a.bucket, a.prefix, sum(b.reads) AS reads FROM top AS a JOIN rests AS b
            ON b.route = a.route AND (
                (b.bucket = '{ANY_BUCKET}' AND a.bucket <> b.bucket)
                OR (b.bucket = a.bucket AND b.prefix <> a.prefix AND ({is_above}))
            )
            GROUP BY 1, 2, 3
        )
        SELECT top.route, top.bucket, top.prefix, keys, top.reads AS reads, coalesce(missing.reads, 0.0) AS missing_at_most,
            read_bytes, score, last_read_at
        FROM top LEFT JOIN missing
            ON missing.route = top.route AND missing.bucket = top.bucket AND missing.prefix = top.prefix
        ORDER BY top.reads DESC, top.bucket, top.prefix, top.route
    """
    return source.ask(question, {"source": of, "bucket": in_tables(bucket), "limit": limit}, since)


def never_read(source: Source, bucket: str, *, since_days: int = 90) -> Answer:
    """Objects that nobody has read, by when they were last written. They are known from an inventory.

    Args:
        source: who answers.
        bucket: as callers say it, whatever its store calls it (`inventory_imports.import_inventory`).
        since_days: of the last days, today included; by whatever record.

    Returns:
        age (of the object: `<30 d`, `30-90 d`, `90-180 d`, `180-365 d`, `>365 d`, `unknown`), objects, bytes, and of these
        maybe_read_objects, maybe_read_bytes: reads of unknown keys below a prefix of theirs, or under digests, were seen.
    """
    since, recent = recent_days(source, since_days, 1.0)
    below = " OR ".join(
        f"prefix_of(o.key, {depth}) IN (SELECT key FROM rests WHERE depth = {depth})"
        for depth in range(1, FOLD_DEPTH + 1)
    )
    question = f"""
        WITH {recent},
        was_read AS (
            SELECT DISTINCT bucket, key, depth FROM told JOIN recent USING (day)
            WHERE bucket IN ($bucket, '{ANY_BUCKET}') AND reads > 0
        ),
        rests AS (
            SELECT key, depth FROM was_read WHERE depth < {WHOLE}
            UNION ALL SELECT '', 0 FROM was_read WHERE depth = {WHOLE} AND substr(key, 1, 5) = 'hmac:'
        ),
        unread AS (
            SELECT size, ($now - modified_at) / 86400.0 AS days,
                CASE WHEN EXISTS (SELECT 1 FROM rests WHERE depth = 0) OR {below} THEN 1 ELSE 0 END AS maybe
            FROM objects AS o
            WHERE bucket = $bucket
                AND key NOT IN (SELECT key FROM was_read WHERE depth = {WHOLE} AND bucket = $bucket)
        )
        SELECT
            CASE WHEN days IS NULL THEN 'unknown' WHEN days < 30 THEN '<30 d' WHEN days < 90 THEN '30-90 d'
                WHEN days < 180 THEN '90-180 d' WHEN days < 365 THEN '180-365 d' ELSE '>365 d' END AS age,
            count(*) AS objects, CAST(sum(size) AS BIGINT) AS bytes,
            CAST(sum(maybe) AS BIGINT) AS maybe_read_objects, CAST(sum(size * maybe) AS BIGINT) AS maybe_read_bytes
        FROM unread GROUP BY 1 ORDER BY min(coalesce(days, 1e9))
    """
    return source.ask(question, {"bucket": as_text(bucket), "now": source.now()}, since)
