from __future__ import annotations

from typing import Any

import boto3

from foodco_storage.config import Compression, Configuration, Route
from foodco_storage.doctor import Finding
from foodco_storage.layers.dictionaries import id_of
from foodco_storage.testing import MotoStore


def test_the_dictionary_that_a_route_needs(moto_store: MotoStore, doctor: Any, bucket_name: str) -> None:
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    wanted = id_of(b"a dictionary")
    key = f".foodco-storage/dictionaries/{wanted}"
    route = Route(bucket=bucket_name, primary="x", compression=Compression(codec="zstd", dictionary=wanted))
    configuration = Configuration(backends={"x": doctor.backend(moto_store.server)}, routes={"r": route})

    def found() -> Finding:
        finding: Finding
        (finding,) = [one for one in doctor(configuration) if "dictionary" in one.message]
        return finding

    assert (found().level, "can't be read" in found().message) == ("error", True)
    assert "foodco-storage dictionary list r --repair" in found().advice
    s3.put_object(Bucket=bucket_name, Key=key, Body=b"another")
    assert (found().level, found().message) == ("error", f"the dictionary {wanted} is damaged")
    s3.put_object(Bucket=bucket_name, Key=key, Body=b"a dictionary")
    assert (found().level, found().message) == ("ok", f"the dictionary {wanted} is there (12 bytes)")
