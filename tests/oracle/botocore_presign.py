"""Presign as botocore does: one case a line (JSON) on stdin, one URL a line on stdout.

The first line of the answer is botocore's version. A batch of cases ends with an empty
line and is read whole before the first answer is written, so that neither side ever
waits for the other with both pipes full.

Everything that decides the text is botocore's: the encoding of the key as in its S3
serializer, the joining of endpoint, path and query as in its client, the signer that its
`generate_presigned_url` uses for S3. Ours is the clock.
"""
import datetime
import json
import sys

import botocore
import botocore.auth
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import percent_encode

EPOCH = datetime.datetime(1970, 1, 1)
now = EPOCH

# The signer's only reading of the clock. Under another name the URLs would be dated today and all differ.
if not hasattr(botocore.auth, "get_current_datetime"):
    sys.exit(f"botocore {botocore.__version__} reads its clock elsewhere: find where, and set it here")
botocore.auth.get_current_datetime = lambda: now


def presign(case):
    global now
    now = EPOCH + datetime.timedelta(seconds=case["seconds"], microseconds=case["micros"])
    wanted = {
        # `{Key+}` in the service model: the slash stays
        "url_path": f"{case['path']}/{percent_encode(case['key'], safe='/~')}",
        "query_string": dict(case["query"]),
        "method": case["method"],
        "headers": dict(case["headers"]),
        "body": b"",
    }
    prepare_request_dict(wanted, endpoint_url=case["endpoint"])
    request = create_request_object(wanted)
    credentials = ReadOnlyCredentials(case["access_key"], case["secret_key"], case["token"])
    signer = botocore.auth.S3SigV4QueryAuth(credentials, "s3", case["region"], expires=case["expires"])
    signer.add_auth(request)
    return request.url


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
            out.write(f"{presign(json.loads(case))}\n".encode())
        out.flush()
        batch.clear()


main()
