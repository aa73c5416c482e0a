"""What credentials can do, by botocore. Settings come as JSON on stdin; what became of each call goes out as JSON.

With `assume`, instead: takes on that role with the bucket's own key and no policy, and prints its credentials.
"""
import json
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

want = json.load(sys.stdin)
bucket = want["bucket"]


def client(service, access_key, secret_key, session_token=None):
    return boto3.client(
        service,
        endpoint_url=want["endpoint"],
        region_name=want["region"],
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )


own = client("s3", want["accessKey"], want["secretKey"])

if "assume" in want:
    sts = client("sts", want["accessKey"], want["secretKey"])
    given = sts.assume_role(RoleArn=want["assume"], RoleSessionName="e2e")["Credentials"]
    print(json.dumps({**given, "Expiration": given["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}))
    sys.exit(0)

theirs = want["credentials"]
s3 = client("s3", theirs["AccessKeyId"], theirs["SecretAccessKey"], theirs["SessionToken"])
folder, foreign = want["folder"], want["foreign"]
went = {}


def attempt(name, call, **arguments):
    try:
        answer = call(Bucket=bucket, **arguments)
        went[name] = answer["ResponseMetadata"]["HTTPStatusCode"]
        return answer
    except ClientError as problem:
        went[name] = problem.response["Error"]["Code"]
        return {}


own.put_object(Bucket=bucket, Key=f"{foreign}secret", Body=b"theirs")
own_upload = own.create_multipart_upload(Bucket=bucket, Key=f"{foreign}parts")["UploadId"]
source = f"{bucket}/{foreign}secret"

attempt("put", s3.put_object, Key=f"{folder}a", Body=b"ours")
attempt("put deeper", s3.put_object, Key=f"{folder}b/c d", Body=b"ours")
upload = attempt("create", s3.create_multipart_upload, Key=f"{folder}parts").get("UploadId", "none")
part = attempt("part", s3.upload_part, Key=f"{folder}parts", UploadId=upload, PartNumber=1, Body=b"ours")
attempt("parts", s3.list_parts, Key=f"{folder}parts", UploadId=upload)
attempt("part copied", s3.upload_part_copy, Key=f"{folder}parts", UploadId=upload, PartNumber=2, CopySource=source)
attempt(
    "complete",
    s3.complete_multipart_upload,
    Key=f"{folder}parts",
    UploadId=upload,
    MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part.get("ETag", "")}]},
)
upload = attempt("create again", s3.create_multipart_upload, Key=f"{folder}parts").get("UploadId", "none")
attempt("abort", s3.abort_multipart_upload, Key=f"{folder}parts", UploadId=upload)

attempt("get own", s3.get_object, Key=f"{folder}a")
attempt("delete own", s3.delete_object, Key=f"{folder}a")
attempt("copy", s3.copy_object, Key=f"{folder}copied", CopySource=source)
attempt("acl", s3.put_object_acl, Key=f"{folder}a", ACL="public-read")
attempt("put with acl", s3.put_object, Key=f"{folder}acl", Body=b"", ACL="public-read")
attempt("tag", s3.put_object_tagging, Key=f"{folder}a", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
attempt("list", s3.list_objects_v2, Prefix=folder)
attempt("list all", s3.list_objects_v2)
attempt("uploads", s3.list_multipart_uploads)
attempt("bucket policy", s3.get_bucket_policy)
attempt("cors", s3.delete_bucket_cors)

attempt("put foreign", s3.put_object, Key=f"{foreign}a", Body=b"ours")
attempt("replace foreign", s3.put_object, Key=f"{foreign}secret", Body=b"ours")
attempt("get foreign", s3.get_object, Key=f"{foreign}secret")
attempt("create foreign", s3.create_multipart_upload, Key=f"{foreign}a")
attempt("part foreign", s3.upload_part, Key=f"{foreign}parts", UploadId=own_upload, PartNumber=1, Body=b"ours")
attempt("abort foreign", s3.abort_multipart_upload, Key=f"{foreign}parts", UploadId=own_upload)
attempt("next store", s3.put_object, Key=f"{folder.rstrip('/')}0/a", Body=b"ours")
attempt("folder itself", s3.put_object, Key=folder.rstrip("/"), Body=b"ours")
attempt("dots", s3.put_object, Key=f"{folder}../{foreign}dots", Body=b"ours")
attempt("backslash", s3.put_object, Key=f"{folder}..\\{foreign}dots", Body=b"ours")
attempt("top", s3.put_object, Key="top", Body=b"ours")


def anonymous(key):
    try:
        return urllib.request.urlopen(f"{want['endpoint']}/{bucket}/{key}").status
    except urllib.error.HTTPError as problem:
        return problem.code


foreign_now = own.list_objects_v2(Bucket=bucket, Prefix=foreign).get("Contents", [])
secret = own.get_object(Bucket=bucket, Key=f"{foreign}secret")["Body"].read().decode()
public = anonymous(f"{folder}acl".replace(" ", "%20"))
print(json.dumps({"went": went, "public": public, "foreign": [entry["Key"] for entry in foreign_now], "secret": secret}))
