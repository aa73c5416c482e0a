//! What stands below the options in `--help`, and in the manual.

/// `signer --help`.
pub(super) const MAIN: &str = "\
Examples:
  signer dev                                              see it work, with nothing else installed
  signer --check-config                                   is signer.toml right?
  signer --set storage.bucket=files check                 is the bucket?
  signer serve --listen 0.0.0.0:8787
  SIGNER__STORAGE__BUCKET=files signer config             any setting can come from the environment
  signer COMMAND --help                                   examples of one command

Exit codes:
  0    done, or the answer is yes
  1    it could not be done, or the answer is no
  64   the command line or the configuration is wrong; one line for each problem
  130  ended at once by a second SIGINT or SIGTERM; one alone lets requests in flight end, and ends with 0

Environment:
  SIGNER__SECTION__KEY      any setting, such as SIGNER__STORAGE__BUCKET; wins over the file, and options win over it
  NO_COLOR, CLICOLOR_FORCE  colours are for terminals: never with the one, always with the other";

pub(super) const SERVE: &str = "\
Examples:
  signer serve
  signer serve --config /etc/signer/signer.toml -v
  signer serve --listen 127.0.0.1:9000 --set telemetry.log_format=json
  kill -HUP $(pidof signer)                               reads the configuration again";

#[cfg(feature = "dev")]
pub(super) const DEV: &str = "\
Examples:
  signer dev                                              then open what it prints
  signer dev --data ./files --origin http://localhost:4000
  signer dev --url-life 5                                 watch URLs being renewed";

pub(super) const CONFIG: &str = "\
Examples:
  signer config
  signer config --json | jq .server.listen
  signer --set upload.max_bytes=1000000 config > signer.toml";

pub(super) const TOKEN: &str = "\
Examples:
  signer token --store-id alice
  signer token --store-id alice --scope files:read --ttl 300
  signer token --store-id alice --prefix alice/photos/ --json | jq -r .token";

pub(super) const CHECK_TOKEN: &str = "\
Examples:
  signer check-token - < token.txt
  signer token --store-id alice | signer check-token -
  signer check-token --json - < token.txt | jq -r .verdict";

pub(super) const CHECK: &str = "\
Examples:
  signer check
  signer check --fix-cors
  signer check --quiet                                    only what is not ok
  signer check --json | jq '.[] | select(.status == \"FAIL\")'";

pub(super) const MIGRATE_KEYS: &str = "\
Examples:
  signer migrate-keys < rows.jsonl > with-keys.jsonl
  signer migrate-keys --legacy-url https://files.example.com/ --url-member url --key-member key < rows.jsonl";

pub(super) const CORS: &str = "\
Examples:
  signer cors > cors.json && aws s3api put-bucket-cors --bucket files --cors-configuration file://cors.json
  signer cors --format xml
  signer cors --storage eu";

pub(super) const OPENAPI: &str = "\
Examples:
  signer openapi > openapi.json
  signer openapi | jq -r '.paths | keys[]'";

pub(super) const PROBE: &str = "\
Examples:
  signer probe                                            HEALTHCHECK CMD [\"/signer\", \"probe\"]
  signer probe --ready --quiet && echo ready
  signer probe --listen 10.0.0.7:8787";

#[cfg(feature = "manual")]
pub(super) const COMPLETIONS: &str = "\
Examples:
  signer completions bash > ~/.local/share/bash-completion/completions/signer
  signer completions zsh > ~/.zfunc/_signer               in a folder of $fpath
  signer completions fish > ~/.config/fish/completions/signer.fish";

#[cfg(feature = "manual")]
pub(super) const MAN: &str = "\
Examples:
  signer man | man -l -
  signer man check-token | man -l -
  signer man --dir ~/.local/share/man/man1                then `man signer-check-token`";
