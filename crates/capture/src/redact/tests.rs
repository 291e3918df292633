//! What is left of command lines: a table. The left side is as a shell would have it, with blanks for zeros.

use super::*;

fn of(words: &[&str]) -> String {
    command(words.join("\0").as_bytes(), 4096)
}

#[test]
fn secrets_go_and_everything_else_stays() {
    for (words, want) in [
        // Nothing to hide.
        (&["nginx", "-g", "daemon off;"][..], "nginx -g daemon off;"),
        (
            &["/usr/bin/python3", "manage.py", "runserver", "0.0.0.0:8000"],
            "/usr/bin/python3 manage.py runserver 0.0.0.0:8000",
        ),
        (&["git", "commit", "--author=Ann <a@b.c>"], "git commit --author=Ann <a@b.c>"),
        (&["app", "--token-file=/run/secrets/t"], "app --token-file=/run/secrets/t"),
        (&["llm", "--max-tokens", "500"], "llm --max-tokens 500"),
        (&["ssh", "user@host"], "ssh user@host"),
        (&["ssh-proxy", "ssh://git@host/x"], "ssh-proxy ssh://git@host/x"),
        (&["docker", "run", "-p", "8080:80"], "docker run -p 8080:80"),
        // By the name of an option or a variable.
        (&["app", "--password", "hunter2"], "app --password ***"),
        (&["app", "--password=hunter2"], "app --password=***"),
        (&["app", "-password", "hunter2"], "app -password ***"),
        (&["app", "--db-passwd=a", "--port=1"], "app --db-passwd=*** --port=1"),
        (&["env", "API_KEY=abc", "PATH=/bin", "app"], "env API_KEY=*** PATH=/bin app"),
        (&["env", "AWS_SECRET_ACCESS_KEY=abc", "app"], "env AWS_SECRET_ACCESS_KEY=*** app"),
        (&["app", "--api-key", "abc", "--verbose"], "app --api-key *** --verbose"),
        (&["app", "--token", "--verbose"], "app --token --verbose"),
        (
            &["java", "-Djavax.net.ssl.keyStorePassword=changeit", "-jar", "a.jar"],
            "java -Djavax.net.ssl.keyStorePassword=*** -jar a.jar",
        ),
        (&["app", "client_secret=x"], "app client_secret=***"),
        (&["rclone", "--sftp-pass=abc"], "rclone --sftp-pass=***"),
        (&["app", "MYSQL_PASS=abc"], "app MYSQL_PASS=***"),
        // Options of one letter, where the program is known.
        (&["mysql", "-uroot", "-phunter2", "db"], "mysql -uroot -p*** db"),
        (&["mysql", "-p", "db"], "mysql -p db"),
        (&["/usr/bin/redis-cli", "-a", "hunter2", "ping"], "/usr/bin/redis-cli -a *** ping"),
        (&["curl", "-u", "ann:hunter2", "https://x/"], "curl -u *** https://x/"),
        (&["sshpass", "-phunter2", "ssh", "h"], "sshpass -p*** ssh h"),
        (&["docker", "login", "-u", "ann", "-p", "hunter2"], "docker login -u ann -p ***"),
        (&["openssl", "rsa", "-passin", "pass:hunter2"], "openssl rsa -passin pass:***"),
        (&["ls", "-a", "folder"], "ls -a folder"),
        // Within addresses.
        (
            &["psql", "postgres://ann:hunter2@db:5432/shop?sslmode=off"],
            "psql postgres://ann:***@db:5432/shop?sslmode=off",
        ),
        (&["app", "--db=postgres://ann:p@ss@db/shop"], "app --db=postgres://ann:***@db/shop"),
        (
            &["git", "clone", "https://ghp_0123456789abcdef0123@github.com/a/b"],
            "git clone https://***@github.com/a/b",
        ),
        (&["curl", "https://x/?a=1&token=abc&b=2"], "curl https://x/?a=1&token=***&b=2"),
        (&["app", "Server=db;Password=abc;Database=d"], "app Server=db;Password=***;Database=d"),
        // Headers.
        (
            &["curl", "-H", "Authorization: Bearer abc.def", "https://x"],
            "curl -H Authorization: *** https://x",
        ),
        (&["curl", "-H", "Cookie:a=b"], "curl -H Cookie: ***"),
        // By form alone.
        (&["login", "ghp_0123456789abcdef0123456789abcdef0123"], "login ***"),
        (&["login", "AKIAIOSFODNN7EXAMPLE"], "login ***"),
        (&["app", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"], "app ***"),
        // A script in one argument.
        (&["sh", "-c", "PGPASSWORD=abc psql -h db"], "sh -c PGPASSWORD=*** psql -h db"),
        (&["sh", "-c", "app --password hunter2 --port 1"], "sh -c app --password *** --port 1"),
        (
            &["sh", "-c", "curl -H 'Authorization: Bearer abc' https://x"],
            "sh -c curl -H 'Authorization: *** *** https://x",
        ),
        (
            &["bash", "-c", "PGPASSWORD='a b c' psql --password \"d e\" -h db"],
            "bash -c PGPASSWORD=*** *** *** psql --password *** *** -h db",
        ),
        (&["app", "--password=two words"], "app --password=***"),
        // A title of its own, in one piece.
        (&["app: worker --password hunter2"], "app: worker --password ***"),
        (&["postgres: ann shop 10.0.0.1(5432) idle"], "postgres: ann shop 10.0.0.1(5432) idle"),
        // Strange ones.
        (&[""], ""),
        (&["a\nb", "\u{1b}[31mred"], "a b  [31mred"),
        (&["app", "--password="], "app --password="),
        (&["app", "--password", ""], "app --password"),
    ] {
        assert_eq!(of(words), want, "{words:?}");
    }
}

#[test]
fn bytes_that_are_no_text_and_long_ones_do_no_harm() {
    assert_eq!(command(b"a\xff\0--password\0\xfe\0", 4096), "a\u{fffd} --password ***");
    assert!(command(&[b'x'; 100_000], 4096).len() <= 4096);
    assert_eq!(command(b"", 4096), "");
    assert_eq!(command(b"\0\0\0", 4096), "");
}

proptest::proptest! {
    #[test]
    fn a_password_never_comes_back(
        before in "[a-z -]{0,20}", secret in "[a-zA-Z0-9]{6,30}", name in "(--password|--api-key|--secret|--auth-token)",
    ) {
        proptest::prop_assume!(!before.contains(&secret) && !name.contains(&secret));
        for line in [
            format!("app\0{before}\0{name}\0{secret}\0--x"),
            format!("app\0{before}\0{name}={secret}"),
            format!("app\0http://u:{secret}@h/{before}"),
        ] {
            let shown = command(line.as_bytes(), 4096);
            proptest::prop_assert!(!shown.contains(&secret), "{line:?} gives {shown:?}");
        }
    }
}
