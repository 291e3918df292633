//! Ports and processes that are never asked, because they do not speak HTTP: a request would only leave an error in
//! their logs, or count against whoever connects. Data, and one lookup.

/// Port and the service that usually listens there.
const PORTS: [(u16, &str); 62] = [
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (25, "SMTP"),
    (53, "DNS"),
    (88, "Kerberos"),
    (110, "POP3"),
    (111, "rpcbind"),
    (119, "NNTP"),
    (135, "RPC"),
    (139, "SMB"),
    (143, "IMAP"),
    (179, "BGP"),
    (389, "LDAP"),
    (445, "SMB"),
    (464, "Kerberos"),
    (465, "SMTP over TLS"),
    (514, "syslog"),
    (515, "LPD"),
    (587, "SMTP submission"),
    (636, "LDAP over TLS"),
    (853, "DNS over TLS"),
    (873, "rsync"),
    (993, "IMAP over TLS"),
    (995, "POP3 over TLS"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (1883, "MQTT"),
    (2003, "Graphite"),
    (2004, "Graphite pickle"),
    (2049, "NFS"),
    (2181, "ZooKeeper"),
    (2888, "ZooKeeper"),
    (3260, "iSCSI"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (3632, "distcc"),
    (3888, "ZooKeeper"),
    (4222, "NATS"),
    (5060, "SIP"),
    (5222, "XMPP"),
    (5432, "PostgreSQL"),
    (5433, "PostgreSQL"),
    (5671, "AMQP over TLS"),
    (5672, "AMQP"),
    (5900, "VNC"),
    (6000, "X11"),
    (6379, "Redis"),
    (6380, "Redis"),
    (6432, "PgBouncer"),
    (8649, "Ganglia"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9160, "Cassandra"),
    (9418, "Git"),
    (10050, "Zabbix"),
    (11211, "memcached"),
    (16379, "Redis Cluster"),
    (26379, "Redis Sentinel"),
    (27017, "MongoDB"),
    (33060, "MySQL X"),
    (50000, "Db2"),
];

/// Command names of services that do not speak HTTP, wherever they listen.
const PROCESSES: [&str; 32] = [
    "chronyd",
    "dnsmasq",
    "dovecot",
    "epmd",
    "exim",
    "gmetad",
    "gmond",
    "mariadbd",
    "memcached",
    "mongod",
    "mongos",
    "mosquitto",
    "mysqld",
    "named",
    "nmbd",
    "php-fpm",
    "postgres",
    "postmaster",
    "pgbouncer",
    "redis-sentinel",
    "redis-server",
    "rpc.mountd",
    "rpc.statd",
    "rpcbind",
    "rsync",
    "rsyslogd",
    "slapd",
    "smbd",
    "sshd",
    "systemd-resolve",
    "unbound",
    "valkey-server",
];

/// Why a port is not asked, if it is not.
pub(super) fn not_asked(port: u16, process: &str) -> Option<String> {
    if let Some((_, service)) = PORTS.iter().find(|(p, _)| *p == port) {
        return Some(format!("not asked: {port} is usually {service}, which does not speak HTTP"));
    }
    // A version may follow the name: php-fpm8.2, exim4.
    let name = process.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known = PROCESSES.contains(&name) || PROCESSES.contains(&process);
    known.then(|| {
        format!("not asked: {process} does not speak HTTP; name it in scrape_configs if it has metrics")
    })
}
