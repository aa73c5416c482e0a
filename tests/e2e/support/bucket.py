"""Make the test bucket and its CORS rules, and prove that it takes bytes. Settings come as JSON on stdin.

Without `origins` it has no such rules. With `uploads`, say instead which uploads in parts have been begun and not ended;
with `versions`, which versions and delete markers there are below that prefix.
"""
import json
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config

want = json.load(sys.stdin)
s3 = boto3.client(
    "s3",
    endpoint_url=want["endpoint"],
    region_name=want["region"],
    aws_access_key_id=want["accessKey"],
    aws_secret_access_key=want["secretKey"],
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
)

if "uploads" in want:
    listed = s3.list_multipart_uploads(Bucket=want["bucket"])
    print(json.dumps([upload["Key"] for upload in listed.get("Uploads", [])]))
    sys.exit(0)

if "versions" in want:
    listed = s3.list_object_versions(Bucket=want["bucket"], Prefix=want["versions"])
    entries = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
    print(json.dumps([entry["Key"] for entry in entries]))
    sys.exit(0)


def cors():
    """The rules that operators are given, for the pages of this test."""
    shipped = Path(__file__).parents[3] / "deploy" / "bucket" / "cors.json"
    rules = json.loads(shipped.read_text())
    for rule in rules["CORSRules"]:
        rule["AllowedOrigins"] = want["origins"]
    return rules


def prepare():
    try:
        s3.create_bucket(Bucket=want["bucket"])
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        pass
    if want.get("versioning"):
        s3.put_bucket_versioning(Bucket=want["bucket"], VersioningConfiguration={"Status": "Enabled"})
    if want["origins"]:
        s3.put_bucket_cors(Bucket=want["bucket"], CORSConfiguration=cors())
    # The S3 door opens before a volume server has joined: only a write that holds shows that it is ready.
    s3.put_object(Bucket=want["bucket"], Key="ready", Body=b"yes")
    s3.delete_object(Bucket=want["bucket"], Key="ready")


deadline = time.monotonic() + 60
while True:
    try:
        prepare()
        break
    except Exception as problem:
        if time.monotonic() > deadline:
            sys.exit(f"the bucket could not be made ready: {problem}")
        time.sleep(0.3)
