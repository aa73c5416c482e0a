//! What `signer dev` prints.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use super::playground::Playground;

/// The bytes that the printed commands move.
const GREETING: &str = "hello, bucket";

/// All that the text names.
pub(super) struct Guide<'a> {
    pub(super) signer: SocketAddr,
    pub(super) s3: SocketAddr,
    pub(super) bucket: &'a str,
    pub(super) store: &'a str,
    pub(super) token: &'a str,
    pub(super) folder: &'a Path,
    pub(super) config: &'a Path,
    pub(super) kept: bool,
}

impl fmt::Display for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer, s3, bucket, store, token, folder, config, kept } = self;
        let folder = folder.display();
        let fate = if *kept { "kept" } else { "removed at the end; --data DIR keeps files" };
        let page = Playground::address(*signer);
        writeln!(f, "open {page} and drop a picture\n")?;
        writeln!(f, "signer:  http://{signer}")?;
        writeln!(f, "S3:      http://{s3}, bucket {bucket}, in {folder} ({fate})")?;
        writeln!(f, "store:   {store}")?;
        writeln!(f, "token: {token}")?;
        writeln!(f, "config:  {0}, as in `signer check --config {0}`", config.display())?;
        writeln!(f, "\nMove a file up, down and away. The bytes go to S3, the signer sees none of them.")?;
        writeln!(f, "Paste the lines into another terminal, one after another or all at once.\n")?;
        self.commands(f)?;
        writeln!(f, "\nCtrl-C ends it.\n")
    }
}

impl Guide<'_> {
    fn commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer, store, token, .. } = self;
        // printf adds the newline that makes the file a text file.
        let length = GREETING.len().saturating_add(1);
        let key = format!("{store}/hello.txt");
        let url_of = r#"sed 's/.*"url":"\([^"]*\)".*/\1/'"#;
        writeln!(f, "# --- paste from here ---")?;
        writeln!(f, "TOKEN='{token}'")?;
        writeln!(f, "printf '{GREETING}\\n' > hello.txt")?;
        writeln!(f, "\n# 1. Ask for a URL that takes exactly this many bytes of this type.")?;
        writeln!(
            f,
            "UPLOAD=$(curl -fsS -X POST 'http://{signer}/upload-url' -H \"Authorization: Bearer $TOKEN\" \
             -H 'Content-Type: application/json' \
             -d '{{\"key\":\"{key}\",\"contentType\":\"text/plain\",\"contentLength\":{length}}}')"
        )?;
        writeln!(f, "echo \"$UPLOAD\"")?;
        writeln!(f, "\n# 2. Send the file straight to S3.")?;
        writeln!(
            f,
            "curl -fsS -X PUT \"$(echo \"$UPLOAD\" | {url_of})\" -H 'Content-Type: text/plain' --data-binary @hello.txt"
        )?;
        writeln!(f, "\n# 3. Ask for a URL to read it, and read it straight from S3.")?;
        writeln!(
            f,
            "DOWNLOAD=$(curl -fsS 'http://{signer}/download-url?key={key}' -H \"Authorization: Bearer $TOKEN\")"
        )?;
        writeln!(f, "curl -fsS \"$(echo \"$DOWNLOAD\" | {url_of})\"")?;
        writeln!(f, "\n# 4. Delete it, and see that it is gone.")?;
        writeln!(
            f,
            "curl -fsS -X DELETE 'http://{signer}/object?key={key}' -H \"Authorization: Bearer $TOKEN\" \
             -w 'deleted: %{{http_code}}\\n'"
        )?;
        writeln!(
            f,
            "curl -sS 'http://{signer}/object?key={key}' -H \"Authorization: Bearer $TOKEN\" -w '\\ngone: %{{http_code}}\\n'"
        )?;
        writeln!(f, "# --- to here ---")
    }
}
