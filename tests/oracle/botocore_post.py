"""Sign forms as botocore does: one case a line (JSON) on stdin, one answer a line (JSON) on stdout.

The protocol is that of `botocore_presign.py`. Policy, fields and signature are those of the signer that botocore's
`generate_presigned_post` uses; what that puts before it (bucket, key, end) is here as it is there. An answer also has
botocore's signature of our own policy, because two JSON texts of one policy differ in their blanks.
"""
import datetime
import json
import sys

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

EPOCH = datetime.datetime(1970, 1, 1)
now = EPOCH

if not hasattr(botocore.auth, "get_current_datetime"):
    sys.exit(f"botocore {botocore.__version__} reads its clock elsewhere: find where, and set it here")
botocore.auth.get_current_datetime = lambda: now


def signed(case):
    global now
    now = EPOCH + datetime.timedelta(seconds=case["seconds"], microseconds=case["micros"])
    end = now + datetime.timedelta(seconds=case["expires"])
    fields = {"key": case["key"], **dict(case["fields"])}
    conditions = [{name: value} for name, value in case["fields"]]
    conditions += [["content-length-range", *case["bytes"]], {"bucket": case["bucket"]}, {"key": case["key"]}]
    request = AWSRequest(method="POST", url="https://s3.test/")
    request.context["s3-presign-post-fields"] = fields
    request.context["s3-presign-post-policy"] = {
        "conditions": conditions,
        "expiration": end.strftime(botocore.auth.ISO8601),
    }
    credentials = ReadOnlyCredentials(case["access_key"], case["secret_key"], case["token"])
    signer = botocore.auth.S3SigV4PostAuth(credentials, "s3", case["region"])
    signer.add_auth(request)
    return {
        "fields": request.context["s3-presign-post-fields"],
        "policy": request.context["s3-presign-post-policy"],
        "signature_of_ours": signer.signature(case["ours"], request),
    }


def main():
    out = sys.stdout.buffer
    out.write(f"{botocore.__version__}\n".encode())
    out.flush()
    batch = []
    for line in sys.stdin.buffer:
        if line != b"\n":
            batch.append(line)
            continue
        for case in batch:
            out.write(json.dumps(signed(json.loads(case))).encode() + b"\n")
        out.flush()
        batch.clear()


main()
