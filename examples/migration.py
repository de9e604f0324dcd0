"""A bucket moves from one store to another while a service goes on: `python migration.py`, with two stores of its own.

The service never learns where its objects are. In production `foodco-storage phase set` moves the phase while clients run;
here one client ends before the next begins, so that the configuration can say it.
"""

from contextlib import ExitStack, closing
from tempfile import TemporaryDirectory

import boto3

import foodco_storage
from foodco_storage.testing import MotoStore, wait_until

BUCKET = "foodco-menu"
PHASES = ("source", "backfill", "cutover", "drain", "target")

with ExitStack() as stack:
    journal = stack.enter_context(TemporaryDirectory())
    backends, plain = {}, {}
    for name in ("aws", "ceph"):
        server = stack.enter_context(MotoStore()).server
        plain[name] = stack.enter_context(closing(boto3.client("s3", **server.client_arguments())))
        plain[name].create_bucket(Bucket=BUCKET)
        keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
        backends[name] = {"endpoint_url": server.endpoint_url, **keys}

    def held(name: str) -> set[str]:
        return {item["Key"] for item in plain[name].list_objects_v2(Bucket=BUCKET).get("Contents", [])}

    for dish in ("pie", "soup", "stew"):
        plain["aws"].put_object(Bucket=BUCKET, Key=dish, Body=dish.encode())

    for phase in PHASES:
        storage = {
            "backends": backends,
            "journal": {"directory": journal},
            "routes": {"menu": {"bucket": BUCKET, "primary": "ceph", "fallbacks": ["aws"], "phase": phase}},
        }
        with closing(foodco_storage.client(storage=storage)) as service:
            service.put_object(Bucket=BUCKET, Key=f"new in {phase}", Body=b"new")
            if phase == "cutover":
                # A read copies what Ceph lacks; a delete holds on both.
                assert service.get_object(Bucket=BUCKET, Key="soup")["Body"].read() == b"soup"
                service.delete_object(Bucket=BUCKET, Key="stew")
            if phase == "drain":
                for item in service.list_objects_v2(Bucket=BUCKET)["Contents"]:
                    service.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
                # Copies are made in the background.
                wait_until(lambda: held("ceph").issuperset(held("aws")), what="the copies")
            served = [item["Key"] for item in service.list_objects_v2(Bucket=BUCKET)["Contents"]]
        print(
            f"{phase:9} aws holds {len(held('aws'))} objects, ceph {len(held('ceph'))}; the service sees {', '.join(served)}"
        )
