"""The layers: what the library does between a caller's request and the backends.

One file per concern; in it, one generator method per S3 operation that the concern touches, named as in boto3. The order
in which layers stand is written in `foodco_storage.layers.order`, and only there.
"""
