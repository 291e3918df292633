//! What people type, by kind. It must never depend on what is found.

/// A kind of question.
pub struct Kind {
    /// For the table.
    pub name: &'static str,
    /// What is typed.
    pub texts: &'static [&'static str],
    /// Whether each text is asked for after each letter, rather than once it is whole.
    pub typed: bool,
}

const fn whole(name: &'static str, texts: &'static [&'static str]) -> Kind {
    Kind { name, texts, typed: false }
}

/// All kinds, in the order of the table.
pub const KINDS: &[Kind] = &[
    whole("nothing typed", &[""]),
    whole("one letter", &["n", "s", "e", "9"]),
    whole("prefix", &["node_cpu", "http_req", "kafka", "process_mem"]),
    whole("infix", &["duration", "filesystem", "onsumer", "volume1"]),
    whole("several words", &["disk io sda", "http latency", "postgres memory", "e s t o"]),
    whole("label=value", &["device=sda", "instance=host-07", "code=500 job=cart", "handler=/api/v1/orders"]),
    whole("phrase, exclusion", &["\"request duration\"", "memory -jvm", "requests code!=200"]),
    whole("typo", &["memroy", "reqeusts", "kafak lag", "postgers"]),
    whole("no hit", &["xyzzyxyzzy", "node qqqqwwww", "device=nosuchdisk"]),
    Kind {
        name: "as one types",
        texts: &["checkout http latency", "node_filesystem_avail", "memory usage nginx"],
        typed: true,
    },
];

impl Kind {
    /// Everything that is asked, in order.
    pub fn questions(&self) -> Vec<&'static str> {
        if !self.typed {
            return self.texts.to_vec();
        }
        let letters = |text: &'static str| (1..=text.len()).filter_map(|n| text.get(..n)).collect::<Vec<_>>();
        self.texts.iter().flat_map(|text| letters(text)).collect()
    }
}
