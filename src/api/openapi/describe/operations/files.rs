//! The old gateway's paths.

use super::{GONE_AFTERWARDS, Operation, Shape, Takes, of, urls};
use crate::api::urls::DownloadRequest;

const STORED: &str = "/livestore-filesync-files/:storeId/:name";
const IN_THE_PATH: &[&str] = &["key", "url", "method"];
const ELSEWHERE: &[(u16, &str, Option<Shape>)] = &[(307, "The bytes are there.", None)];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("POST", "/upload"),
        id: "oldUpload",
        description: "",
        takes: Takes::Nothing,
        gives: &[],
        codes: &["gone"],
    },
    Operation {
        row: ("GET", STORED),
        id: "redirectToObject",
        description: "For pages that have stored this path. The name may go on over further slashes.",
        takes: Takes::Query(of::<DownloadRequest<'_>>, IN_THE_PATH),
        gives: ELSEWHERE,
        codes: urls::DOWNLOAD,
    },
    Operation {
        row: ("HEAD", STORED),
        id: "redirectToObjectHead",
        description: "",
        takes: Takes::Query(of::<DownloadRequest<'_>>, IN_THE_PATH),
        gives: ELSEWHERE,
        codes: urls::DOWNLOAD,
    },
    Operation {
        row: ("DELETE", STORED),
        id: "deleteStored",
        description: "The name may go on over further slashes.",
        takes: Takes::Nothing,
        gives: &[GONE_AFTERWARDS],
        codes: &["invalid_key"],
    },
];
