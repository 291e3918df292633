//! Files that people write, as trees in which every key and value knows its line: YAML to such a tree, the words of a
//! message about a key that is not known. It must never interpret a value, open a file, or know what a file is for.

pub mod tree;
mod yaml;

pub use stdx::nearest::{did_you_mean, nearest};
pub use tree::{Entry, FILE_BYTES_MAX, Node, SyntaxError, Value};
pub use yaml::parse;
