//! Changes: what someone or something altered, and when: a deploy, a configuration, a package, a member. A vertical
//! line on every chart that it concerns. Data only; it must never know who detected it or where it is kept.

use crate::Pairs;

/// One change, or a later word on one (a row of its own with the same id; the newest of each field counts).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// When it took effect, in nanoseconds since 1970-01-01 UTC.
    pub time_ns: i64,
    /// Names the change: what later words on it repeat. At most 64 bytes, letters, digits, `-` and `_`.
    pub id: String,
    /// `deploy`, `config`, `restart`, `package`, `kernel`, `build`, `membership`, `clock`, `flag`, `schema`, `certificate`, `incident` or any other word.
    pub kind: String,
    /// What changed, in a sentence.
    pub title: String,
    /// The service that it concerns; empty: not one service.
    pub service: String,
    /// The host that it concerns; empty: not one host.
    pub host: String,
    /// Who says so: `api`, `cli`, a person's name, or the detector (`process`, `package`, `build_info` ...).
    pub author: String,
    /// Where to read more; empty: nowhere.
    pub link: String,
    /// Everything else: what was before and after, and the answers to the six questions (`solves`, `done_before`,
    /// `when`, `expected_effect`, `rollback`, `test_of_success`), and later `outcome`.
    pub attributes: Pairs,
}
