"""Lines of S3's access logs are read, whatever others have put into them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.access.log_record import LogRecord
from foodco_storage.access.rows import AccessRow, ReaderRow
from foodco_storage.access.server_log_totals import ANYBODY, MAX_READERS, LogTotals, agent, requester
from foodco_storage.access.server_logs import MAX_EXAMPLES, MAX_LINE, LogLines, parse_line

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"

# The examples of https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html, as of 2026: with a source region.
AWS_VERSIONING = (
    f"{OWNER} amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE REST.GET.VERSIONING - "
    '"GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - '
    "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 "
    "AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 "
    "arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1"
)
# The same page in earlier years: https://github.com/awsdocs/amazon-s3-userguide/blob/main/doc_source/LogFormat.md (its last
# column is the TLS version), and the developer guide of 2014, before the host id.
AWS_POLICY = (
    f"{OWNER} awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} A1206F460EXAMPLE REST.GET.BUCKETPOLICY - "
    '"GET /awsexamplebucket1?policy HTTP/1.1" 404 NoSuchBucketPolicy 297 - 38 - "-" "S3Console/0.4" - '
    "BNaBsXZQQDbssi6xMBdBU2sLt+Yf5kZDmeBUP35sFoKa3sLLeMC78iwEIWxs99CRUrbS4n11234= SigV2 ECDHE-RSA-AES128-GCM-SHA256 "
    "AuthHeader awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1"
)
AWS_PUT = (
    f"{OWNER} awsexamplebucket1 [06/Feb/2019:00:01:57 +0000] 192.0.2.3 {OWNER} DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "
    '"PUT /awsexamplebucket1/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" - '
    "10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0TgS37kYUBKQW3+bPdrg1234= SigV4 ECDHE-RSA-AES128-SHA AuthHeader "
    "awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1"
)
AWS_2014 = (
    f"{OWNER} mybucket [06/Feb/2014:00:01:57 +0000] 192.0.2.3 {OWNER} DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "
    '"PUT /mybucket/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" -'
)
# Of DeleteObjects, from the tests of https://github.com/noobaa/noobaa-core.
AWS_BATCH = (
    "aaa test.bucket [13/Feb/2023:15:08:28 +0000] 1.1.1.1 arn:aws:iam::111:user/user AAA BATCH.DELETE.OBJECT test.js - 204 - - "
    "1 - - - - - AAA SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader s3.us-east-2.amazonaws.com TLSv1.2 - -"
)
# https://docs.ceph.com/en/latest/radosgw/bucket_logging/
RGW_GET = (
    "testid fish [06/Aug/2024:09:30:51 +0000] - testid 9e369a15-5f43-4f07-b638-de920b22f91b.4179.7046073853138417766 "
    'REST.GET.OBJECT myfile "GET /fish/myfile HTTP/1.1" 200 - - 512 - - - - - - - - - localhost - -'
)


def line(
    operation: str = "REST.GET.OBJECT",
    key: str = "a.jpg",
    request: str = '"GET /a.jpg HTTP/1.1"',
    outcome: str = "200 - 10 20 5 3",
    agent: str = '"-" "Boto3/1.43"',
    *,
    time: str = "06/Feb/2019:00:00:38 +0000",
    who: str = "arn:aws:iam::1:user/shop",
    request_id: str = "3E57427F3EXAMPLE",
    last: str = "- x= SigV4 ECDHE AuthHeader b.s3.amazonaws.com TLSv1.2 - -",
) -> str:
    return f"{OWNER} b [{time}] 192.0.2.3 {who} {request_id} {operation} {key} {request} {outcome} {agent} {last}"


def test_every_column_of_the_documented_example_is_read() -> None:
    assert parse_line(AWS_VERSIONING) == LogRecord(
        bucket="amzn-s3-demo-bucket1",
        at=datetime(2019, 2, 6, 0, 0, 38, tzinfo=UTC).timestamp(),
        remote_ip="192.0.2.3",
        requester=OWNER,
        request_id="3E57427F3EXAMPLE",
        operation="REST.GET.VERSIONING",
        method="GET",
        path="/amzn-s3-demo-bucket1",
        status=200,
        sent_bytes=113,
        seconds=0.007,
        user_agent="S3Console/0.4",
        signature="SigV4",
        authentication="AuthHeader",
        host="amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com",
        tls="TLSV1.2",
        access_point="arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP",
        needs_acl=True,
    )


def test_older_logs_have_fewer_columns() -> None:
    policy = parse_line(AWS_POLICY)
    assert (policy.status, policy.error, policy.tls, policy.access_point) == (
        404,
        "NoSuchBucketPolicy",
        "TLSV1.1",
        None,
    )
    put, oldest = parse_line(AWS_PUT), parse_line(AWS_2014)
    for record in put, oldest:
        assert (record.key, record.size, record.sent_bytes) == ("s3-dg.pdf", 4406583, 0)
        assert (record.seconds, record.turnaround_seconds) == (41.754, 0.028)
    assert (put.signature, oldest.signature, oldest.host) == ("SigV4", None, None)


def test_later_columns_are_ignored_quoted_or_not() -> None:
    before = parse_line(AWS_VERSIONING)
    assert parse_line(f'{AWS_VERSIONING} more "a quoted \\" one" -') == before


def test_what_s3_did_itself_has_neither_request_nor_agent() -> None:
    batch = parse_line(AWS_BATCH)
    assert (batch.operation, batch.key, batch.status, batch.method, batch.user_agent) == (
        "BATCH.DELETE.OBJECT",
        "test.js",
        204,
        None,
        None,
    )
    assert (batch.signature, batch.host) == ("SigV4", "s3.us-east-2.amazonaws.com")
    expired = parse_line(line("S3.EXPIRE.OBJECT", "a", '"-"', "- - - 7 - -", '"-" "-"', who="AmazonS3"))
    assert (expired.key, expired.method, expired.status, expired.size, expired.user_agent) == ("a", None, None, 7, None)


def test_rgw_writes_keys_as_they_are() -> None:
    record = parse_line(RGW_GET)
    assert (record.bucket, record.key, record.size, record.host) == ("fish", "myfile", 512, "localhost")
    assert record.is_rgw
    assert not parse_line(AWS_PUT).is_rgw
    key = 'a%2520+ b "c"  - 200 d'
    assert parse_line(RGW_GET.replace(" myfile ", f" {key} ")).key == key


def test_rgw_writes_local_times() -> None:
    record = parse_line(RGW_GET.replace("09:30:51 +0000", "09:30:51 +0530"))
    assert record.at == datetime(2024, 8, 6, 4, 0, 51, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("operation", "written", "key"),
    [
        ("REST.GET.OBJECT", "release%253D2025-12-01/a", "release=2025-12-01/a"),
        ("REST.GET.OBJECT", "a%2Bb", "a b"),
        ("REST.GET.OBJECT", "a%2520b", "a b"),
        ("REST.GET.OBJECT", "a%252Bb", "a+b"),
        # https://engineeringblog.yelp.com/2025/09/s3-server-access-logs-at-scale.html
        ("WEBSITE.GET.OBJECT", "foo-%2525Y", "foo-%Y"),
        ("BATCH.DELETE.OBJECT", "foo-%2525Y", "foo-%25Y"),
        ("S3.EXPIRE.OBJECT", "foo-%2525Y", "foo-%25Y"),
        ("REST.GET.OBJECT", "%25F6", "\\xf6"),
        ("REST.GET.OBJECT", "-", None),
    ],
)
def test_keys_are_decoded_as_often_as_they_were_encoded(operation: str, written: str, key: str | None) -> None:
    assert parse_line(line(operation, written)).key == key


@pytest.mark.parametrize(
    ("referer", "sent"),
    [
        ("-", 'x" y'),
        ("-", 'a "b" c'),
        ('http://a/?q="b"', "curl/8"),
        ("-", '" 200 - 1 1 1 1 "'),
        ('" "', '" " "'),
        ("-", "a" * 8000),
    ],
)
def test_quotes_inside_shift_nothing(referer: str, sent: str) -> None:
    record = parse_line(line(request='"GET /a"b?c="d HTTP/1.1"', agent=f'"{referer}" "{sent}"'))
    assert (record.status, record.size, record.key) == (200, 20, "a.jpg")
    assert (record.signature, record.host) == ("SigV4", "b.s3.amazonaws.com")
    assert record.path == '/a"b'
    if referer == "-":
        assert record.user_agent == sent


def test_a_query_is_nowhere() -> None:
    query = "X-Amz-Signature=5ec3e7&X-Amz-Credential=AKIA1"
    record = parse_line(
        line(request=f'"GET /a.jpg?{query} HTTP/1.1"', agent=f'"https://shop/?{query}" "Boto3/1"', who="-")
    )
    assert (record.path, record.requester) == ("/a.jpg", None)
    assert "5ec3e7" not in repr(record)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("X-Amz-Signature=5ec3e7", "columns: 1, "),
        (line(outcome="200 5ec3e7"), "not in the order"),
        (line(time="06.02.2019 5ec3e7"), "its time"),
        (line(time="06/Xyz/2019:00:00:38 +0000"), "its time"),
        (line(time="06/Feb/0001:00:00:38 +0000"), "its time"),
        (line(time="31/Feb/2019:00:00:38 +0000"), "day"),
        (line(key="5ec3e7" * MAX_LINE), "characters"),
        (line(outcome=f"200 - {'5' * 5000} 1 1 1"), "not in the order"),
    ],
)
def test_a_bad_line_is_counted_and_not_told(broken: str, said: str) -> None:
    lines = LogLines([broken + "\n", "\n", AWS_PUT + "\r\n"])
    assert [record.key for record in lines] == ["s3-dg.pdf"]
    assert (lines.lines, lines.unparsed) == (2, 1)
    (example,) = lines.examples
    assert example.startswith("line 1: ")
    assert said in example
    assert "5ec3e7" not in example


def test_of_many_bad_lines_a_few_are_told() -> None:
    lines = LogLines(["x\n"] * 100)
    assert list(lines) == []
    assert lines.unparsed == 100
    assert len(lines.examples) == MAX_EXAMPLES


@pytest.mark.parametrize(
    "hostile",
    [
        line(agent='"-" "' + '" ' * 20_000 + '"', last='"'),
        line(request='"GET /' + '" 200 - ' * 7_000 + '"', last='"'),
        line(key='"GET /a" 200 - 1 1 1 1 "" "" ' * 2_000, last='"'),
        line(who="R.E " * 15_000, last='"'),
        line(key='"GET a ' * 9_000, last='"'),
        line(last='" "' * 20_000),
        line(key='"G /" ' * 10_000, outcome="200"),
        line(who="- 200 - 1 1 1 1 x", key='"G /" ' * 10_000, outcome="200"),
    ],
    ids=["agent", "request", "outcome", "requester", "key", "last", "requests", "requests after an outcome"],
)
@pytest.mark.timeout(20)
def test_no_line_takes_for_ever(hostile: str) -> None:
    # Quadratic ones of this size take minutes.
    lines = LogLines([hostile])
    list(lines)
    assert lines.unparsed == 1
    assert "characters" not in lines.examples[0]


WORD = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-_.:/="), min_size=1).filter(
    lambda text: text != "-"
)
# No control characters, and nothing that ends a line.
KEYS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1).filter(
    lambda text: text != "-"
)
NUMBERS = st.none() | st.integers(0, 5 * 2**40)
RECORDS = st.builds(
    LogRecord,
    bucket=WORD,
    at=st.integers(0, 4_000_000_000).map(float),
    remote_ip=st.none() | st.ip_addresses().map(str),
    requester=st.none() | WORD,
    request_id=st.none() | st.text("0123456789ABCDEF", min_size=16, max_size=16),
    operation=st.sampled_from(["REST.GET.OBJECT", "REST.PUT.PART", "WEBSITE.HEAD.OBJECT", "BATCH.DELETE.OBJECT", "S3.EXPIRE.OBJECT"]),
    key=st.none() | KEYS,
    method=st.just("GET"),
    path=WORD.map("/{}".format),
    status=st.none() | st.integers(200, 599),
    error=st.none() | WORD,
    sent_bytes=st.integers(0, 5 * 2**40),
    size=NUMBERS,
    seconds=st.none() | st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000),
    turnaround_seconds=st.none() | st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000),
    # With quotes; those followed by so many words that they look like the columns are a forger's.
    user_agent=st.none() | st.text('ab/1" ;()', min_size=1, max_size=14).filter(lambda text: text != "-"),
    version_id=st.none() | WORD,
    signature=st.none() | st.sampled_from(["SigV2", "SigV4"]),
    authentication=st.none() | st.sampled_from(["AuthHeader", "QueryString"]),
    host=st.none() | WORD,
    tls=st.none() | WORD,
    access_point=st.none() | WORD,
    needs_acl=st.booleans(),
)  # fmt: skip


def written(record: LogRecord, encode: object = quote) -> str:
    """As S3 writes it."""

    def dash(value: object) -> str:
        return "-" if value is None else str(value)

    key = record.key
    if key is not None:
        times = 1 if record.operation.startswith(("BATCH.", "S3.")) else 2
        for _ in range(times):
            key = encode(key, safe="/")  # type: ignore[operator] # quote or quote_plus
    milliseconds = [None if s is None else round(s * 1000) for s in (record.seconds, record.turnaround_seconds)]
    return " ".join(
        [
            OWNER,
            record.bucket,
            datetime.fromtimestamp(record.at, UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000]"),
            *map(dash, (record.remote_ip, record.requester, record.request_id, record.operation, key)),
            f'"{record.method} {record.path}?secret HTTP/1.1"',
            *map(dash, (record.status, record.error, record.sent_bytes or None, record.size, *milliseconds)),
            f'"-" "{dash(record.user_agent)}"',
            *map(dash, (record.version_id, "hostid=", record.signature, "cipher", record.authentication)),
            *map(dash, (record.host, record.tls, record.access_point, "Yes" if record.needs_acl else None)),
        ]
    )


@given(RECORDS, st.sampled_from([quote, quote_plus]))
def test_what_is_written_is_read(record: LogRecord, encode: object) -> None:
    assert parse_line(written(record, encode)) == record


def totals(*lines: str) -> LogTotals:
    result = LogTotals()
    for text in lines:
        result.add(parse_line(text))
    return result


def test_reads_writes_and_deletes_of_a_key_and_day() -> None:
    noon, later = "06/Feb/2019:12:00:00 +0000", "06/Feb/2019:13:00:00 +0000"
    at = datetime(2019, 2, 6, 12, tzinfo=UTC).timestamp()
    rows = totals(
        line(time=later),
        line(outcome="206 - 4 20 5 3", time=noon),
        line(outcome="304 - - 20 5 3", time=noon),
        line("WEBSITE.GET.OBJECT", time=noon),
        line(outcome="404 NoSuchKey 300 - 5 3", time=noon),
        line("REST.HEAD.OBJECT", time=noon),
        line("REST.COPY.OBJECT_GET", outcome="200 - - 20 5 3", time=noon),
        line("REST.COPY.OBJECT_GET", outcome="404 NoSuchKey 300 - 5 3", time=noon),
        line("REST.PUT.OBJECT", outcome="200 - - 7 5 3", time=noon),
        line("REST.COPY.OBJECT", outcome="200 - 300 8 5 3", time=noon),
        line("REST.POST.UPLOAD", outcome="200 - 300 9 5 3", time=noon),
        line("REST.POST.UPLOAD", outcome="200 InternalError 300 9 5 3", time=later),
        line("REST.PUT.PART", outcome="200 - - 9 5 3", time=noon),
        line("REST.PUT.OBJECT", outcome="503 SlowDown - 7 5 3", time=later),
        line("REST.DELETE.OBJECT", outcome="204 - - 7 5 3", time=noon),
        line("BATCH.DELETE.OBJECT", outcome="204 - - 7 5 3", time=noon),
        line("BATCH.DELETE.OBJECT", outcome="403 AccessDenied - 7 5 3", time=noon),
        line("S3.EXPIRE.OBJECT", outcome="- - - 7 - -", time=noon),
        line("S3.CREATE.DELETEMARKER", outcome="- - - 7 - -", time=noon),
    ).accesses()
    assert rows == [
        AccessRow(
            day="2019-02-06",
            bucket="b",
            key="a.jpg",
            reads=5,
            read_bytes=24,
            writes=3,
            written_bytes=24,
            deletes=4,
            last_read_at=at + 3600,
            last_written_at=at,
        )
    ]


def test_days_are_those_of_utc() -> None:
    rows = totals(line(time="06/Feb/2019:23:30:00 -0100"), line(time="07/Feb/2019:01:30:00 +0200")).accesses()
    assert [(row.day, row.reads) for row in rows] == [("2019-02-07", 1.0), ("2019-02-06", 1.0)]


def test_rgw_tells_no_bytes_of_a_get() -> None:
    get = totals(RGW_GET, RGW_GET.replace(" 200 ", " - "), RGW_GET.replace(" 200 ", " 304 "))
    (row,) = get.accesses()
    assert (row.reads, row.read_bytes) == (3, 1024)
    assert [reader.size for reader in get.readers()] == [1024]
    many = RGW_GET.replace("REST.GET.OBJECT", "REST.POST.DELETE_MULTI_OBJECT")
    assert [row.deletes for row in totals(many).accesses()] == [1]


def test_who_did_what() -> None:
    session = "arn:aws:sts::1:assumed-role/shop/i-0abc"
    rows = totals(
        line(who=session),
        line(who=session.replace("0abc", "0def"), outcome="404 NoSuchKey 300 - 5 3"),
        line("REST.GET.BUCKET", "-", who="-", agent='"-" "-"'),
    ).readers()
    shop = "arn:aws:sts::1:assumed-role/shop/*"
    common = {"day": "2019-02-06", "bucket": "b"}
    assert rows == [
        ReaderRow(**common, requester=shop, agent="Boto3", operation="REST.GET.OBJECT", operations=2, size=310),
        ReaderRow(**common, requester="-", agent="-", operation="REST.GET.BUCKET", operations=1, size=10),
    ]


def test_without_a_key_nothing_is_said_of_keys() -> None:
    assert totals(line("REST.GET.BUCKET", "-"), line(key="-")).accesses() == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("aws-sdk-java/2.20.0 Linux/5", "aws-sdk-java"),
        ("[aws-cli/1.16 Python/3.6]", "aws-cli"),
        ("S3Console/0.4, aws-internal/3", "S3Console"),
        ("Mozilla/5.0 (X11; Linux)", "Mozilla"),
        ('"evil" agent', "evil"),
        ("x" * 500, "x" * 64),
        ("///", "-"),
        ("", "-"),
        (None, "-"),
    ],
)
def test_a_program_is_the_first_product(header: str | None, name: str) -> None:
    assert agent(header) == name


def test_users_and_roles_are_told_apart_and_sessions_are_not() -> None:
    assert requester("arn:aws:iam::1:user/a/b") == "arn:aws:iam::1:user/a/b"
    assert requester("arn:aws-cn:sts::1:assumed-role/path/role/s@x") == "arn:aws-cn:sts::1:assumed-role/path/role/*"
    assert requester(None) == "-"


def test_invented_agents_do_not_fill_the_memory() -> None:
    log = LogTotals()
    record = parse_line(line())
    more = 50
    for number in range(MAX_READERS + more):
        log.add(
            LogRecord(bucket="b", at=record.at, operation="REST.GET.OBJECT", user_agent=f"agent{number}", sent_bytes=1)
        )
    rows = log.readers()
    assert len(rows) == MAX_READERS + 1
    (rest,) = [row for row in rows if row.agent == ANYBODY]
    assert (rest.requester, rest.operations, rest.size) == (ANYBODY, more, more)
