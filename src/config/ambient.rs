//! What other programs' variables say about credentials: `AWS_*` and `HOME`, as the process was started.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The variables that AWS's own tools read. Cheap to clone; `Debug` names them without their values.
#[derive(Clone, Default)]
pub struct Ambient(Arc<HashMap<String, String>>);

impl Ambient {
    /// Those of `environment` that belong here.
    pub(super) fn of(environment: &[(String, String)]) -> Self {
        let ours = environment.iter().filter(|(name, _)| name.starts_with("AWS_") || name == "HOME");
        Self(Arc::new(ours.cloned().collect()))
    }

    /// The value of a variable, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &HashMap<String, String> {
        &self.0
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
