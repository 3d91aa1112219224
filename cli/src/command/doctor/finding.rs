//! What was found: how bad it is, what it is about, and what cures it.

use std::fmt;

use anstyle::{AnsiColor, Style};
use rte_mp::inspect::GroupReport;
use serde::Serialize;

use crate::content::counted;
use crate::escape::Escaped;
use crate::machine::{shown, shown_prefix};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Worth knowing; nothing is to be done.
    Note,
    /// It will do harm.
    Warning,
    /// It does harm now.
    Error,
}

/// Something that was found.
#[derive(Serialize)]
#[serde(tag = "type", rename = "finding")]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What it is, for programs.
    code: &'static str,
    file_prefix: Option<String>,
    directory: Option<String>,
    pid: Option<u32>,
    /// What it is, for people.
    text: String,
    /// What to do about it; all but notes have one.
    cure: Option<String>,
    /// Whether `--fix` has done so.
    pub(super) fixed: bool,
}

impl Finding {
    pub(super) fn note(code: &'static str, text: impl fmt::Display) -> Self {
        Self::new(Severity::Note, code, text, None)
    }

    pub(super) fn warning(
        code: &'static str,
        text: impl fmt::Display,
        cure: impl fmt::Display,
    ) -> Self {
        Self::new(Severity::Warning, code, text, Some(&cure))
    }

    pub(super) fn error(
        code: &'static str,
        text: impl fmt::Display,
        cure: impl fmt::Display,
    ) -> Self {
        Self::new(Severity::Error, code, text, Some(&cure))
    }

    /// Something that would do harm and has been cured.
    pub(super) fn cured(code: &'static str, text: impl fmt::Display) -> Self {
        Self { fixed: true, ..Self::new(Severity::Warning, code, text, None) }
    }

    fn new(
        severity: Severity,
        code: &'static str,
        text: impl fmt::Display,
        cure: Option<&dyn fmt::Display>,
    ) -> Self {
        let (file_prefix, directory, pid) = (None, None, None);
        // Words of others may stand in it, as in the text of an error.
        let text = Escaped::message(&text.to_string()).to_string();
        let cure = cure.map(|cure| Escaped::message(&cure.to_string()).to_string());
        Self { severity, code, file_prefix, directory, pid, text, cure, fixed: false }
    }

    /// Says which group it is about.
    pub(super) fn of(mut self, group: &GroupReport) -> Self {
        self.file_prefix = Some(shown_prefix(group));
        self.directory = Some(shown(&group.directory));
        self
    }

    /// Says which process it is about.
    pub(super) fn process(mut self, pid: Option<u32>) -> Self {
        self.pid = pid;
        self
    }

    /// Tells whether somebody has to do something.
    pub(super) fn needs_cure(&self) -> bool {
        self.severity != Severity::Note && !self.fixed
    }

    fn word(&self) -> (&'static str, Style) {
        match self.severity {
            _ if self.fixed => ("fixed", AnsiColor::Green.on_default()),
            Severity::Note => ("note", Style::new()),
            Severity::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Severity::Error => ("error", AnsiColor::Red.on_default()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, style) = self.word();
        write!(f, "{style}{word:<8}{style:#} ")?;
        if let Some(prefix) = &self.file_prefix {
            write!(f, "{prefix}: ")?;
        }
        f.write_str(&self.text)?;
        match &self.cure {
            Some(cure) if !self.fixed => write!(f, "\n         cure: {cure}"),
            _ => Ok(()),
        }
    }
}

/// How many findings there are of each kind.
#[derive(Serialize, Default)]
#[serde(tag = "type", rename = "doctor_summary")]
pub(super) struct Summary {
    groups: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
    fixed: usize,
}

impl Summary {
    pub(super) fn of_groups(groups: usize) -> Self {
        Self { groups, ..Self::default() }
    }

    pub(super) fn count(&mut self, finding: &Finding) {
        *match finding.severity {
            _ if finding.fixed => &mut self.fixed,
            Severity::Note => &mut self.notes,
            Severity::Warning => &mut self.warnings,
            Severity::Error => &mut self.errors,
        } += 1;
    }

    /// Tells whether nobody has to do anything.
    pub(super) fn is_well(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { groups, errors, warnings, fixed, .. } = self;
        write!(f, "\n{} looked at", counted(*groups, "group"))?;
        if *fixed > 0 {
            write!(f, "; {fixed} fixed")?;
        }
        if self.is_well() {
            return f.write_str("; nothing is wrong.");
        }
        let (errors, warnings) = (counted(*errors, "error"), counted(*warnings, "warning"));
        write!(f, "; to be cured: {errors}, {warnings}.")
    }
}
