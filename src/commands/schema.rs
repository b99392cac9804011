//! `schism schema`: the form of what is written and read, as JSON Schema.

use clap::Args;

use crate::campaign;
use crate::report::verdict;

/// Flags of `schism schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what.
    pub what: Schema,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Schema {
    /// verdict.json of a run.
    Verdict,
    /// verdict.json of a campaign.
    Campaign,
    /// A trial file.
    Trial,
}

/// The schema.
#[must_use]
pub fn run(args: &SchemaArgs) -> String {
    match args.what {
        Schema::Verdict => verdict::schema(),
        Schema::Campaign => campaign::schema(),
        Schema::Trial => crate::plan::schema(),
    }
}
