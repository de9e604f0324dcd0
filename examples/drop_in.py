"""Makes a preview of every object in a bucket: `python drop_in.py BUCKET`. Only the import has changed."""

import sys

import foodco_storage as boto3  # before: import boto3

bucket = sys.argv[1]
s3 = boto3.client("s3")
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="menu/"):
    for item in page.get("Contents", []):
        start = s3.get_object(Bucket=bucket, Key=item["Key"], Range="bytes=0-63")["Body"].read()
        s3.put_object(Bucket=bucket, Key=f"previews/{item['Key']}", Body=start)
