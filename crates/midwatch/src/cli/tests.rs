//! Lines that are understood, and lines that are not.

use super::*;
use clap::CommandFactory;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_that_does_something_shows_examples() {
    fn walk(command: &clap::Command) {
        let leaf = command.get_subcommands().next().is_none();
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(!leaf || help.starts_with("Examples:"), "{}", command.get_name());
        command.get_subcommands().filter(|c| c.get_name() != "help").for_each(walk);
    }
    walk(&Cli::command());
}

#[test]
fn the_reference_is_up_to_date() {
    crate::testing::golden("docs/reference/command-line.md", &document());
}

#[test]
fn flags() {
    let parse = |line: &str| Cli::try_parse_from(line.split(' '));
    let Ok(Cli { command: Command::Serve(args) }) = parse(
        "midwatch serve --listen 127.0.0.1:1 --data d --wal w --config f --retention 30d --retention-size 20GiB --no-host \
         --no-discover --no-otlp --no-postgres --insecure-listen",
    ) else {
        panic!("serve")
    };
    assert!(args.no_host && args.no_discover && args.no_otlp && args.no_postgres && args.insecure_listen);
    assert_eq!(args.retention_size.as_deref(), Some("20GiB"));
    for good in [
        "midwatch query up --range 1h --step 10s --plot",
        "midwatch query up --at 0 --json --url http://127.0.0.1:1",
        "midwatch top --sort io",
        "midwatch config check f",
        "midwatch config explain",
        "midwatch archive list --json",
        "midwatch archive restore --start 0 --end 1 --keep 1d --url http://127.0.0.1:1",
        "midwatch backup d --data e --copy",
        "midwatch restore d --data e --partial",
        "midwatch verify d --json",
        "midwatch export --format jsonl --match a --match b --start 0 --end 1 --out f --data d --partial",
        "midwatch completions zsh",
    ] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in [
        "midwatch",
        "midwatch query",
        "midwatch query up --plot --json",
        "midwatch serv",
        "midwatch backup",
        "midwatch restore d",
        "midwatch export --format csv",
        "midwatch config",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
