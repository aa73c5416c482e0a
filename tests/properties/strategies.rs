//! Keys and names as somebody sends them who wants what is another's.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::{RegexGeneratorStrategy, string_regex};

/// What stands between two stores in the mind of some server, proxy or URL library: K03 to K16.
const TRICKS: [&str; 40] = [
    "/",
    "//",
    "\\",
    "..",
    ".",
    "../",
    "./",
    "/../",
    "/./",
    "%2e%2e",
    "%2E%2E/",
    "%2f",
    "%5c",
    "%00",
    "%252e%252e%252f",
    "..%c0%af",
    "%c0%ae",
    "..;/",
    "\0",
    "\r\n",
    "\t",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{200d}",
    "\u{feff}",
    "．．",
    "／",
    "＼",
    "․․",
    "⁄",
    "?",
    "#",
    "&",
    "+",
    " ",
    ";",
    "%",
    "livestore-filesync-files/",
];

/// Names that look like `s1` or `s2`, or begin with them.
const ALIKE: [&str; 14] =
    ["s1", "s2", "S1", "S2", "s10", "s20", "s", "ｓ１", "ｓ2", "ѕ1", "ѕ2", "s１", "s2 ", "s2\u{301}"];

/// Parsed once; a bare text would be parsed anew for every value.
pub(crate) fn text(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

pub(crate) fn store() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&["s1", "s2", "a.b", "A_b-c", "...", "s10"][..]).prop_map(str::to_owned), 1 => text("[A-Za-z0-9._-]{1,12}")]
        .prop_filter("no folder", |name| !matches!(name.as_str(), "." | ".."))
}

/// Any text, near a key or far from one; half of them are keys.
pub(crate) fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&TRICKS[..]).prop_map(str::to_owned),
        4 => select(&ALIKE[..]).prop_map(str::to_owned),
        2 => text("[a-z0-9.]{1,6}"),
        1 => text("\\PC{1,4}"),
    ];
    prop_oneof![
        4 => (select(&["s1/", "s2/", "/s1/", "livestore-filesync-files/s1/", "/livestore-filesync-files/s2/"][..]),
              prop_oneof![text("[a-zé0-9 ._+-]{1,12}"), text("[0-9a-f]{64}"), text("[a-z]{1,4}/[a-z%?#&]{1,6}")])
            .prop_map(|(root, name)| format!("{root}{name}")),
        3 => vec(piece, 0..10).prop_map(|pieces| pieces.concat()),
        1 => text("\\PC{0,40}"),
    ]
}

/// A key of store `s2`, or what might become one on the way, as the bearer of `s1` would send it.
pub(crate) fn theft() -> impl Strategy<Value = String> {
    let trick = || select(&TRICKS[..]);
    prop_oneof![
        (trick(), trick(), trick(), text("[a-z]{0,4}")).prop_map(|(a, b, c, name)| format!("s1{a}{b}s2{c}{name}")),
        (trick(), trick(), trick(), text("[a-z]{1,4}")).prop_map(|(a, b, c, name)| format!("{a}{b}s2{c}{name}")),
        (vec(trick(), 1..5), text("[a-z]{0,4}")).prop_map(|(all, name)| format!("s1/{}s2/{name}", all.concat())),
        (select(&ALIKE[..]), trick(), text("[a-z]{1,4}")).prop_map(|(store, a, name)| format!("{store}{a}{name}")),
        vec(Just("livestore-filesync-files/"), 1..4).prop_map(|roots| format!("/{}s2/f", roots.concat())),
    ]
}
