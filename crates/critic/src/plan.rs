//! What the operator says, in words of the critic: which actions, on what, to what end, what they believe, what they
//! have thought of already. Found by a fixed vocabulary and the names that are known, nothing else: what is not
//! understood is said, never guessed.

mod beliefs;
mod names;
mod read;
mod vocabulary;

use std::collections::BTreeSet;
use stdx::Error;

pub use names::Names;
pub use read::read;

/// Bytes of a plan in words.
pub const TEXT_BYTES_MAX: usize = 4_000;
/// Words of it that are read.
pub const WORDS_MAX: usize = 400;
/// Actions, beliefs, targets of one plan that are kept.
pub(crate) const EACH_MAX: usize = 5;

/// Names of the things that a plan can be about.
pub fn things() -> Vec<&'static str> {
    vocabulary::THINGS.iter().map(|(thing, _)| *thing).collect()
}

/// Makes an enum whose variants have a name in files and in the API, and words for sentences.
macro_rules! named {
    ($(#[$about:meta])* $name:ident, $what:literal: $($(#[$doc:meta])* $variant:ident $text:literal $words:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name in files and in the API.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// In a sentence.
            pub fn words(self) -> &'static str {
                match self { $($name::$variant => $words,)* }
            }

            /// From its name; blanks and `-` count as `_`.
            ///
            /// # Errors
            /// Names all that there are.
            pub fn parse(text: &str) -> Result<$name, Error> {
                let plain = text.trim().to_lowercase().replace([' ', '-'], "_");
                $name::ALL.iter().find(|v| v.as_str() == plain).copied().ok_or_else(|| {
                    let all: Vec<&str> = $name::ALL.iter().map(|v| v.as_str()).collect();
                    let said: String = text.chars().take(40).collect();
                    Error::invalid(format!("{said:?} is no {}; there are {}", $what, all.join(", ")))
                })
            }
        }
    };
}

named! {
    /// What somebody is about to do.
    Action, "action":
    /// Of a program: the machine stays.
    Restart "restart" "restarting",
    /// Of a whole machine.
    Reboot "reboot" "rebooting",
    /// To an earlier version or setting.
    Rollback "roll_back" "rolling back",
    /// Of something new.
    Deploy "deploy" "deploying",
    /// A setting or a flag.
    Configure "configure" "changing the configuration of",
    /// To a standby, a replica, another zone.
    FailOver "fail_over" "failing over",
    /// More copies, or larger ones.
    ScaleUp "scale_up" "scaling up",
    /// Fewer copies.
    ScaleDown "scale_down" "scaling down",
    /// No new work for it.
    Drain "drain" "draining",
    /// Ends a process, a query, a machine.
    Kill "kill" "killing",
    /// All or part of a cache.
    ClearCache "clear_cache" "clearing the cache of",
    /// Of memory, connections, time.
    RaiseLimit "raise_limit" "raising a limit of",
    /// Of a group that votes.
    AddMember "add_member" "adding a member to",
    /// Of a group that votes.
    RemoveMember "remove_member" "removing a member from",
    /// Of files, rows, logs.
    Delete "delete" "deleting from",
    /// Of what waits in a queue.
    Purge "purge" "purging",
    /// Refuses or slows part of the work.
    Shed "shed" "turning work away from",
    /// Of an alert.
    Silence "silence" "silencing",
    /// And see.
    Wait "wait" "waiting",
}

named! {
    /// What somebody believes: it is ...
    Hypothesis, "hypothesis":
    /// A new version.
    Deploy "deploy" "a deploy",
    /// A setting or a flag.
    Config "config" "the configuration",
    /// Any.
    Database "database" "the database",
    /// Between machines.
    Network "network" "the network",
    /// Names.
    Dns "dns" "DNS",
    /// Space, speed or the device.
    Disk "disk" "the disk",
    /// Not enough of it.
    Memory "memory" "memory",
    /// More and more of it.
    MemoryLeak "memory_leak" "a memory leak",
    /// Not enough of it.
    Cpu "cpu" "the CPU",
    /// Any.
    Cache "cache" "the cache",
    /// Any.
    Queue "queue" "a queue",
    /// Who waits for whom.
    Lock "lock" "a lock",
    /// Of connections or threads.
    Pool "pool" "a connection pool",
    /// More work than usual.
    Traffic "traffic" "the load",
    /// Something that it calls.
    Dependency "dependency" "a dependency",
    /// Time.
    Clock "clock" "the clock",
    /// Garbage collection.
    Gc "gc" "garbage collection",
    /// Of TLS.
    Certificate "certificate" "a certificate",
    /// Calls that make more calls.
    RetryStorm "retry_storm" "a retry storm",
    /// All at once.
    ThunderingHerd "thundering_herd" "a thundering herd",
    /// Somebody else on the same machine.
    Neighbour "noisy_neighbour" "a noisy neighbour",
    /// It stays broken although the cause is gone.
    Metastable "metastable" "a metastable failure",
    /// Metal.
    Hardware "hardware" "the hardware",
    /// Of a group that votes.
    Quorum "quorum" "the quorum",
    /// Somebody means harm.
    Attack "attack" "an attack",
    /// Who asks.
    Client "client" "a client",
    /// There is nothing.
    Nothing "nothing" "nothing",
    /// Something that is known by name.
    Named "named" "",
}

named! {
    /// To what end.
    Goal, "goal":
    /// Service for those who use it.
    Restore "restore" "restoring service",
    /// Finding out.
    Diagnose "diagnose" "finding out",
    /// Keeping what shows what happened.
    Preserve "preserve" "preserving evidence",
}

named! {
    /// What was said along with the plan.
    Said, "remark":
    /// A dump, a profile, logs are kept first.
    Captured "captured" "captured first",
    /// Those who are affected are told.
    Told "told" "told",
    /// A way back is named.
    Rollback "rollback" "way back named",
    /// A part first.
    Gradual "gradual" "step by step",
    /// Everything at once.
    All "all" "all at once",
    /// It gets no work any more.
    Drained "drained" "drained first",
    /// A copy is there.
    Backup "backup" "backed up",
    /// Without waiting for an orderly end.
    Force "force" "by force",
    /// For a limited time.
    Until "until" "for a limited time",
    /// Those whose it is know.
    Owner "owner" "the owner knows",
    /// What it shall show.
    Why "why" "what it shall show",
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// All copies of a program.
    Service,
    /// One copy.
    Instance,
    /// A machine.
    Host,
}

impl EntityKind {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Service => "service",
            EntityKind::Instance => "instance",
            EntityKind::Host => "host",
        }
    }
}

/// Which series are meant: each label has one of its values.
pub type Selector = Vec<(String, Vec<String>)>;

/// Something that is known by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name: `api`, `10.0.0.7:8080`, `db-2`.
    pub name: String,
    /// The service that it belongs to; a service's own name; empty for a host.
    pub service: String,
    /// Its own series.
    pub own: Selector,
    /// Those of its service; as `own` for a host.
    pub of_service: Selector,
    /// Those of the machines that it runs on; empty: not known.
    pub of_hosts: Selector,
}

/// How a name in the plan was matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// As it stands.
    Exactly,
    /// `api-7` is not known, `api` is.
    AsPartOf,
    /// With typing errors.
    Mistyped,
}

/// A thing that the plan names.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Which.
    pub entity: Entity,
    /// The word that was said.
    pub said: String,
    /// How sure that is.
    pub matched: Matched,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// In plain words; may be empty if there is an action.
    pub text: String,
    /// The name of an action; empty: from the words.
    pub action: String,
    /// The name of what is acted on; empty: from the words.
    pub target: String,
    /// The name of a goal; empty: from the words.
    pub goal: String,
}

/// The plan as it was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is to be done, in order.
    pub actions: Vec<Action>,
    /// What is believed.
    pub hypotheses: Vec<Hypothesis>,
    /// What is acted on.
    pub targets: Vec<Target>,
    /// What is believed to be the place of the trouble.
    pub suspects: Vec<Target>,
    /// To what end, if that is said.
    pub goal: Option<Goal>,
    /// What it is about: `redis`, `queue`.
    pub things: BTreeSet<&'static str>,
    /// What was thought of.
    pub said: BTreeSet<Said>,
    /// Every word, in small letters.
    pub words: Vec<String>,
    /// Words that look like names of something, and nothing is known by them.
    pub unknown_names: Vec<String>,
    /// Words that were read as others: (said, read as).
    pub read_as: Vec<(String, String)>,
    /// Words that nothing was made of.
    pub not_understood: Vec<String>,
}

impl Plan {
    /// The first target, or else the first suspect.
    pub fn target(&self) -> Option<&Target> {
        self.targets.first().or(self.suspects.first())
    }

    /// Whether anything was understood that can be criticised.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.hypotheses.is_empty() && self.suspects.is_empty()
    }

    /// The plan in the critic's words: `restarting api`.
    pub fn in_words(&self) -> String {
        let on = self.targets.iter().map(|t| t.entity.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut parts: Vec<String> = Vec::new();
        let actions = self.actions.iter().map(|a| a.words()).collect::<Vec<_>>().join(", then ");
        if !actions.is_empty() {
            let actions = if on.is_empty() {
                let cut = actions.trim_end_matches(" of").trim_end_matches(" from").trim_end_matches(" to");
                cut.to_string()
            } else {
                actions
            };
            parts.push(format!("{actions} {on}").trim().to_string());
        }
        let beliefs: Vec<&str> = self
            .hypotheses
            .iter()
            .map(|h| h.words())
            .filter(|words| !words.is_empty())
            .chain(self.suspects.iter().map(|s| s.entity.name.as_str()))
            .collect();
        if !beliefs.is_empty() {
            parts.push(format!("believing that it is {}", beliefs.join(" or ")));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests;
