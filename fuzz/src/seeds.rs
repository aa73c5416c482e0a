//! Where each target starts: the vectors of the other tests, and the cases of the security study.
//!
//! Written to `fuzz/seeds/` by `make fuzz-seeds`. A crash that was found is kept beside them under a
//! name of its own; the properties ring runs both.

use serde_json::{Value, json};

use super::config::PLANTED;
use super::support::{HASH, good_token, now};

/// K03, K04, K05, K07, K13, K15, K16 and the usual ones.
const KEYS: [&str; 24] = [
    "s1/f",
    "/livestore-filesync-files/s1/f",
    "livestore-filesync-files/livestore-filesync-files/s1/f",
    "//livestore-filesync-files/s1/f",
    "../s2/f",
    "s1/../s2/f",
    "s1/./f",
    "s1//f",
    "s1/",
    "s1",
    "s1/%2e%2e/s2/f",
    "s1%2f..%2fs2/f",
    "s1/%252e%252e/f",
    "s1/..%c0%af",
    "s1\\..\\s2\\f",
    "s1/a\r\nb",
    "s1/\u{2028}",
    "s1/\u{1b}[31m",
    "s1/f?uploadId=x#frag&acl;x +",
    "s10/f",
    "S1/f",
    "s1/é/😀",
    "s1/100%",
    "ｓ１/f",
];

/// Public keys of the RFCs: 7515 A.2 and A.3, and 8037 A.2.
pub const PUBLIC_KEYS: &str = r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The seeds of a target, each of them a file.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "app_request" => app_requests(),
        "claims" => claims(),
        "config" => configs(),
        "jwks" => key_sets(),
        "key" => KEYS.iter().zip(0_u8..).map(|(key, i)| [&[i % 8], key.as_bytes()].concat()).collect(),
        "query" => queries(),
        "request_json" => bodies(),
        "s3_error" => s3_answers(),
        "token_parse" => tokens(),
        other => panic!("no seeds for {other}"),
    }
}

fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.into().into_bytes()).collect()
}

fn app_requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for route in filesync_signer::api::routes() {
        // Where a path is itself the key, one of a store.
        let path = &route.path.replace(":storeId/:name", "s1/f").replace(":uploadId", "u").replace(":partNumber", "1");
        let method = route.method;
        if method == "POST" {
            for (who, key) in [("$one", "s1/f"), ("$two", "s3/../s1/f"), ("$part", "s1/photos/a")] {
                let body = json!({"key": key, "contentLength": 11, "contentType": "image/png", "expiresIn": 60});
                all.push(format!(
                    "{method} {path}\nauthorization: Bearer {who}\ncontent-type: application/json\n\n{body}"
                ));
            }
        } else {
            all.push(format!("{method} {path}?key=s1/f\nauthorization: Bearer $one\n\n"));
            all.push(format!("{method} {path}?key=s1%2F..%2Fs2/f&filename=a%22b.png\nauthorization: Bearer $read\n\n"));
        }
    }
    for odd in [
        "OPTIONS /upload-url\norigin: https://app.example\naccess-control-request-method: POST\n\n",
        "HEAD /health\n\n",
        "GET http://evil.test/download-url?key=s1/f&versionId=a\nauthorization: Bearer $one\n\n",
        "GET /download-url?key=s1/f\nauthorization: Bearer $one\nauthorization: Bearer $two\n\n",
        "GET /download-url?key=s1/f\nauthorization: bearer  $none\nx-forwarded-host: evil\nhost: evil\n\n",
        "GET /livestore-filesync-files/s1/a%20b%25?filename=x\nauthorization: Bearer $one\n\n",
        "GET /livestore-filesync-files/s1/%2e%2e/s2/%252e\nauthorization: Bearer $one\n\n",
        "HEAD /livestore-filesync-files/s1/..%2fs2/f\nauthorization: Bearer $one\n\n",
        "DELETE /livestore-filesync-files//s1/f%c0%af\nauthorization: Bearer $two\n\n",
        "GET /download-url?url=https%3A%2F%2Fold.test%2Flivestore-filesync-files%2Fs1%2Ff\nauthorization: Bearer $one\n\n",
        "POST /upload-url\nauthorization: Bearer $one\ncontent-type: application/json\n\n{\"url\":\"https://old.test:443/livestore-filesync-files/s1/%2e%2e/s2/f?x#\"}",
        "GET /s3/params?filename=..%2Fa%00b&type=image/png&metadata%5BkeyPrefix%5D=s3\nauthorization: Bearer $one\n\n",
        "GET /s3/sts?keyPrefix=s1/..%2Fs3/*\nauthorization: Bearer $one\n\n",
        "GET /s3/multipart/%2e%2e%2fu/1?key=s1/f\nauthorization: Bearer $one\n\n",
        "TRACE * \n\n",
        "POST /upload-url\nauthorization: Bearer $one\ncontent-type: text/plain\n\n{\"key\":\"s1/f\"}",
    ] {
        all.push(odd.to_owned());
    }
    let ops = ["download", "upload", "delete-url", "delete", "head"];
    let of = |key: &str| ops.map(|op| json!({"op": op, "key": key, "expiresIn": 60}));
    let operations = [of("s1/f"), of("s3/f"), of("s1/../s2/f"), of("s1/&<>\"' ")].concat();
    for (path, body) in [
        ("/batch", json!({ "operations": operations })),
        ("/download-urls", json!({"keys": ["s1/f", "s3/f", "s1//f", 1]})),
        ("/s3/sign", json!({"method": "PUT", "key": "../s3/%2e a.png", "contentType": "image/png"})),
        ("/s3/sign", json!({"method": "POST", "key": "a", "keyPrefix": "s1/../s3"})),
        ("/s3/sign", json!({"method": "PUT", "key": "s1/f", "uploadId": "u&", "partNumber": 1})),
        ("/s3/sign", json!({"method": "DELETE", "key": "s3/f", "uploadId": "u"})),
        (
            "/s3/multipart",
            json!({"filename": "a/${filename}", "type": "a/b", "metadata": {"keyPrefix": "s1/x", "contentLength": "7"}}),
        ),
        ("/upload-urls", json!({"items": [{"key": "s1/f", "contentLength": 5}, {"key": "s3/f"}, "s1/f"]})),
    ] {
        all.push(format!("POST {path}\nauthorization: Bearer $one\ncontent-type: application/json\n\n{body}"));
    }
    texts(all)
}

fn claims() -> Vec<Vec<u8>> {
    let exp = now().as_second() + 60;
    let with = |more: Value| {
        let mut claims = json!({"storeId": "s1", "exp": exp});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.to_string()
    };
    let more = [
        json!({}),
        json!({"storeId": ["s1", "victim "]}),
        json!({"storeId": ["s1", 1]}),
        json!({"storeId": "../victim"}),
        json!({"storeId": "a/b😀"}),
        json!({"storeId": null}),
        json!({"prefixes": ["s1/a/", "victim"], "max_upload_bytes": 10}),
        json!({"scope": "openid files:read", "scp": ["files:write"]}),
        json!({"scope": 1}),
        json!({"aud": ["other", "svc"]}),
        json!({"iss": "https://idp.test", "sub": "u1", "jti": "1", "iat": exp - 60, "nbf": exp - 60}),
        json!({"exp": 1e300}),
        json!({"exp": u64::MAX}),
        json!({"exp": "9999999999"}),
        json!({"nbf": 9_999_999_999_u64, "iat": 0.5}),
    ];
    let mut all: Vec<_> = more.into_iter().map(with).collect();
    all.push(format!(r#"{{"storeId":"s1","storeId":"victim","exp":{exp}}}"#));
    texts(all)
}

fn configs() -> Vec<Vec<u8>> {
    let least = format!(
        "[auth]\nhs256_secret = \"{PLANTED}\"\n[storage]\nendpoint = \"https://s3.test\"\nbucket = \"files\"\n\
         access_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"{PLANTED}\"\n"
    );
    texts([
        least.clone(),
        format!("{least}session_token = 7\nbuket = \"{PLANTED}\"\n[keys]\nformat = \"content-addressed\"\n"),
        format!("{least}[[auth.keys]]\nalgorithm = \"HS512\"\nsecret = \"{PLANTED}\"\n"),
        format!("{least}[upload]\nmax_bytes = 10\ncontent_types = [\"image/*\"]\nexpires_secs = 604801\n"),
        format!(
            "{least}[server]\nlisten = \"[::]:0\"\ncors_origins = [\"https://app.example\"]\nbase_path = \"/api\"\n"
        ),
        format!("[auth]\nhs256_secret = [\"{PLANTED}\"]\nissuer = \"http://10.0.0.1\"\n"),
        format!("[auth\nhs256_secret = \"{PLANTED}"),
    ])
}

fn key_sets() -> Vec<Vec<u8>> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/jws.json")).unwrap();
    let mut all = vec![PUBLIC_KEYS.to_owned()];
    all.extend(vectors.iter().take(6).map(|vector| json!({"keys": [vector["key"]]}).to_string()));
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("HS256")),
        ("kid", json!(7)),
        ("d", json!("AAAA")),
        ("x", json!("AAAA")),
    ] {
        let mut key = ed.clone();
        key[name] = value;
        all.push(json!({"keys": [key, ed]}).to_string());
    }
    texts(all)
}

fn queries() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = KEYS.iter().map(|key| format!("key={}", key.replace('/', "%2F"))).collect();
    all.extend(KEYS.iter().take(5).map(|key| format!("expiresIn=60&key={key}&method=HEAD")));
    for odd in [
        "key=s1/f&key=s1/f",
        "key=s1/f&%6bey=s1/g",
        "key=s1/%ff",
        "key=s1/%zz",
        "key=s1/%C3%A9+%2B",
        "key=s1/f&filename=a%22b%0d.png&disposition=inline",
        "key=s1/f&versionId=a%26X-Amz-Expires%3D1",
        "key=s1/f&expiresIn=-1",
        "&&=&key",
    ] {
        all.push(odd.to_owned());
    }
    texts(all)
}

fn bodies() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = KEYS.iter().map(|key| json!({"key": key}).to_string()).collect();
    let checksum = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    all.push(json!({"key": format!("s1/{HASH}"), "contentType": "a/b;c=\"d\"", "contentLength": 0}).to_string());
    all.push(json!({"key": "s1/f", "checksumSha256": checksum, "expiresIn": 1}).to_string());
    for odd in [
        "{\"key\":\"s1/f\",\"key\":\"s2/f\"}",
        "{\"key\":\"s1/f\",\"x\":[{\"a\":1,\"\\u0061\":2}]}",
        "{\"key\":\"s1/\\ud800\"}",
        "{\"key\":\"s1/f\",\"contentLength\":1e400}",
        "{\"key\":\"s1/f\",\"contentType\":\"a/b\\r\\nX: 1\"}",
        "[\"s1/f\"]",
        "\u{feff}{\"key\":\"s1/f\"}",
        "{\"a\":[[[[[[[[[[[[[[[[",
    ] {
        all.push(odd.to_owned());
    }
    texts(all)
}

fn s3_answers() -> Vec<Vec<u8>> {
    texts([
        "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message/></Error>",
        "<Error><Code>A&amp;\n\u{1b}[31mB</Code>",
        "<!DOCTYPE x [<!ENTITY e \"s1/a\">]><Error><Code>&e;</Code></Error>",
        "</Code><Code>",
        "<ListVersionsResult><EncodingType>url</EncodingType><Version><Key>s1/a</Key><VersionId>1</VersionId></Version>\
         <Version><Key>s1/ab</Key><VersionId>2</VersionId></Version><DeleteMarker><Key>s1%2Fa%2Fb</Key>\
         <VersionId>null</VersionId></DeleteMarker><Version><Key>s1/a+b%2Bc</Key><VersionId>4</VersionId></Version>\
         </ListVersionsResult>",
        "<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Version><Key>s1/a&#47;b</Key>\
         <VersionId>1</VersionId></Version></ListVersionsResult>",
        "<DeleteResult><Deleted><Key>s1/a</Key></Deleted><Error><Key>s1/ab</Key><Code>AccessDenied</Code></Error>\
         <Deleted><Key>s1/a&#32;b&#43;c</Key></Deleted><Error><Key>s1/a/b</Key><Code>NoSuchKey</Code></Error></DeleteResult>",
        "<ListPartsResult><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag>\
         <Size>7</Size><ChecksumSHA256>a=</ChecksumSHA256></Part><Part><PartNumber>2</PartNumber><ETag/><Size>1</Size></Part>\
         </ListPartsResult>",
    ])
}

fn tokens() -> Vec<Vec<u8>> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/jws.json")).unwrap();
    let good = good_token();
    let (head, rest) = good.split_once('.').unwrap();
    let mut all = vec![good.clone(), format!("{good}="), format!("{head}..{rest}"), format!("{head}.{rest}.x")];
    // J01: the same without a signature.
    all.push(format!("eyJhbGciOiJub25lIn0.{}.", rest.split('.').next().unwrap()));
    all.extend(vectors.iter().take(12).map(|vector| vector["jws"].as_str().unwrap().to_owned()));
    texts(all)
}
