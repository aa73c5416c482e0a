//! Whether what people read is coloured: the variables that most programs go by.

use std::io::IsTerminal;

/// Whether text for `stream` gets colours. Not with `NO_COLOR` (no-color.org) or `CLICOLOR=0`, anywhere with
/// `CLICOLOR_FORCE=1` (bixense.com/clicolors), and else on a terminal that is not `dumb`.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "of the environment, only what the terminal is like")]
pub fn coloured(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    decide(set, stream.is_terminal())
}

fn decide(set: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    terminal && set("CLICOLOR").as_deref() != Some("0") && set("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_for_those_who_ask() {
        for (environment, terminal, expected) in [
            (&[][..], true, true),
            (&[], false, false),
            (&[("TERM", "dumb")], true, false),
            (&[("CLICOLOR", "0")], true, false),
            (&[("CLICOLOR_FORCE", "1")], false, true),
            (&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true, true),
            (&[("CLICOLOR_FORCE", "0")], false, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false),
        ] {
            let set = |name: &str| {
                let found = environment.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(decide(set, terminal), expected, "{environment:?}, {terminal}");
        }
    }
}
