//! The classes of things that the ring holds, each with its columns and its share of memory. What is written here is
//! what stands in the files of a capture: a column is only ever added at the end (docs/formats/captures.md).

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number, or not known.
    Integer,
}

/// A column of a class, after `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it says, in a sentence.
    pub about: &'static str,
}

/// A class of things, one row for each at each reading.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// `processes`: the name of the file, too.
    pub name: &'static str,
    /// Texts first, then numbers.
    pub columns: &'static [Column],
    /// Memory for it unless something else is set, bytes.
    pub budget_bytes: usize,
}

const fn text(name: &'static str, about: &'static str) -> Column {
    Column { name, kind: Kind::Text, about }
}

const fn number(name: &'static str, about: &'static str) -> Column {
    Column { name, kind: Kind::Integer, about }
}

/// Every process.
pub const PROCESSES: Class = Class {
    name: "processes",
    columns: &[
        text("comm", "Its name, as the kernel has it."),
        text("command", "Its command line; what looks like a secret is left out."),
        text("cgroup", "Its control group."),
        text(
            "state",
            "R runs, S sleeps, D waits for a disk or a lock, T is stopped, Z has ended, I is an idle kernel thread.",
        ),
        number("pid", "Its number."),
        number("parent_pid", "The number of the process that began it."),
        number("uid", "The number of its user."),
        number("start_ms", "When it was started, milliseconds since 1970."),
        number("cpu_ms", "CPU time that it used since the reading before, milliseconds."),
        number("user_ms", "CPU time in its own code since its start, milliseconds."),
        number("system_ms", "CPU time in the kernel since its start, milliseconds."),
        number("resident_bytes", "Memory that it has."),
        number("virtual_bytes", "Addresses that it has."),
        number("threads", "Its threads."),
        number("minor_faults", "Pages that came without a disk since its start."),
        number("major_faults", "Pages that had to be read since its start."),
        number("read_bytes", "Bytes that it had read from storage, where that may be known."),
        number("written_bytes", "Bytes that it had written to storage, where that may be known."),
        number("open_files", "Its open files, where they were counted."),
    ],
    budget_bytes: 24 << 20,
};

/// Every socket of TCP and UDP.
pub const SOCKETS: Class = Class {
    name: "sockets",
    columns: &[
        text("protocol", "`tcp`, `tcp6`, `udp` or `udp6`."),
        text("state", "`ESTABLISHED`, `LISTEN`, ..."),
        text("local_address", "The address of this end."),
        text("peer_address", "The address of the other end."),
        number("local_port", "The port of this end."),
        number("peer_port", "The port of the other end; 0 if there is none."),
        number("send_queue_bytes", "Bytes that the other end has not taken."),
        number(
            "receive_queue_bytes",
            "Bytes that the program has not read; of a listening socket the connections that wait to be accepted.",
        ),
        number("retransmits", "Times that what is unanswered was sent again."),
        number("uid", "The number of the user whose it is."),
        number("inode", "The kernel's number for it; what `files` calls `socket:[inode]`."),
    ],
    budget_bytes: 16 << 20,
};

/// Messages of the kernel.
pub const KERNEL: Class = Class {
    name: "kernel",
    columns: &[
        text("level", "`emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info` or `debug`."),
        text("facility", "`kern`, `user`, `daemon`, ..."),
        text("message", "What it says."),
        number("sequence", "Its number in the kernel's log."),
    ],
    budget_bytes: 4 << 20,
};

/// Every control group.
pub const CGROUPS: Class = Class {
    name: "cgroups",
    columns: &[
        text("path", "Its path from the top."),
        number("cpu_us", "CPU time of its processes since it was made, microseconds."),
        number("throttled_us", "Time that its processes were held back, microseconds."),
        number("memory_bytes", "Memory that it has."),
        number("memory_limit_bytes", "Memory that it may have; not known where there is no limit."),
        number("processes", "Its processes and threads."),
        number("oom_kills", "Processes of it that were killed for want of memory."),
        number("read_bytes", "Bytes read from storage."),
        number("written_bytes", "Bytes written to storage."),
    ],
    budget_bytes: 6 << 20,
};

/// Every interrupt and soft interrupt, on each processor that took one.
pub const INTERRUPTS: Class = Class {
    name: "interrupts",
    columns: &[
        text("interrupt", "Its number or name; of soft interrupts `softirq:` and the name."),
        text("about", "Chip and devices, as the kernel says it."),
        number("cpu", "The processor."),
        number("count", "How often since the start of the machine."),
    ],
    budget_bytes: 4 << 20,
};

/// Open files of the busiest processes.
pub const FILES: Class = Class {
    name: "files",
    columns: &[
        text("comm", "The process."),
        text("target", "Where the descriptors lead: a path, `socket:[inode]`, `pipe:[inode]`, ..."),
        number("pid", "Its number."),
        number("descriptors", "How many of its descriptors lead there."),
    ],
    budget_bytes: 6 << 20,
};

/// All classes, in the order in which they are told.
pub const ALL: [&Class; 6] = [&PROCESSES, &SOCKETS, &KERNEL, &CGROUPS, &INTERRUPTS, &FILES];

impl Class {
    /// How many of its columns are texts: these come first.
    pub fn texts(&self) -> usize {
        self.columns.iter().take_while(|c| c.kind == Kind::Text).count()
    }

    /// How many are numbers.
    pub fn numbers(&self) -> usize {
        self.columns.len() - self.texts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_before_numbers_and_all_of_it_fits_into_64_mib() {
        for class in ALL {
            let numbers = class.columns.iter().skip_while(|c| c.kind == Kind::Text);
            assert!(numbers.clone().all(|c| c.kind == Kind::Integer), "{}", class.name);
            assert!(class.columns.len() <= super::super::track::COLUMNS_MAX, "{}", class.name);
        }
        assert!(ALL.iter().map(|c| c.budget_bytes).sum::<usize>() <= 60 << 20, "4 MiB are for spans");
    }
}
