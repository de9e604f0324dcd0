"""What the journal asks of its database. `schema` has the tables."""

from __future__ import annotations

# Enters nothing when the journal is full, or when this owner was taken for dead.
ENTER = """
    INSERT INTO entries (owner, route, identity, bucket, key, tags, entered)
    SELECT number, ?, ?, ?, ?, ?, ? FROM owners WHERE number = ? AND (SELECT total(entries) FROM tally) < ?
"""

SETTLE = "DELETE FROM entries WHERE number = ?"

# What another owner is at work on is not this one's to give away.
DEFER = """
    UPDATE entries SET owner = NULL, due = :now
    WHERE number = :number AND (owner IS NULL OR owner = :owner)
"""
DEFER_FAILED = """
    UPDATE entries SET
        owner = NULL,
        due = :now + min(:longest, 1 << min(attempts, 30)),
        attempts = attempts + 1,
        failed = :now,
        last_error = :why
    WHERE number = :number AND (owner IS NULL OR owner = :owner)
"""

# Of one identity and one span of time, so that the index answers it without a look at entries that are not asked for.
DUE = """
    SELECT due, number, attempts, entered, route, identity, bucket, key, tags FROM entries
    WHERE owner IS NULL AND identity = ? AND due > ? AND due <= ? ORDER BY due, number LIMIT ?
"""
CLAIM = "UPDATE entries SET owner = ? WHERE number = ?"

FORGET_OWNER = "DELETE FROM owners WHERE number = ?"
# One look at all entries, however many owners were forgotten.
RELEASE = """
    UPDATE entries SET owner = NULL, due = ?
    WHERE owner IS NOT NULL AND owner NOT IN (SELECT number FROM owners)
"""

DEPTH = "SELECT total(entries) FROM tally WHERE :identity IS NULL OR identity = :identity"

ROWS = """
    SELECT number, owner IS NULL, entered, due, attempts, last_error, route, identity, bucket, key, tags FROM entries
    WHERE :route IS NULL OR route = :route ORDER BY number LIMIT :limit
"""

# Of a group with `max`, SQLite answers the other columns of the row that has it.
SUMMARY = """
    SELECT route, identity, entries, deferred, entered, last_error
    FROM (
        SELECT route, identity, count(*) AS entries, sum(owner IS NULL) AS deferred, min(entered) AS entered
        FROM entries GROUP BY route, identity
    )
    JOIN (SELECT route, identity, last_error, max(failed) FROM entries GROUP BY route, identity) USING (route, identity)
    ORDER BY route, identity
"""
