//! The model that others may stand on: templates of users, `cargo due model`, the page of documents.
//!
//! Every field is described in `templates/open/README.md`, with what is promised about them.

mod collisions;
mod filters;
mod model;
mod place;
mod read;
mod target;
mod template;
mod texts;

pub(crate) use collisions::collisions;
pub use model::OpenModel;
#[cfg(feature = "cli")]
pub(crate) use model::{About, EnumItem, FieldItem, MessageItem, MethodItem, ServiceItem};
pub(crate) use place::check_path;
pub(crate) use read::read;
#[cfg(feature = "cli")]
pub(crate) use read::word;
pub use target::{Per, TemplateFile, TemplateOptions, Var};
pub(crate) use template::{folder, render};
pub(crate) use texts::Asked;
