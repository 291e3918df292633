//! Plans as operators type them, and what is made of them.

use super::*;
use proptest::prelude::*;

fn names() -> Names {
    crate::rule::known_in_trials()
}

fn plan(text: &str) -> Plan {
    read(&Asked { text: text.into(), ..Asked::default() }, &names()).unwrap()
}

/// `actions / targets / beliefs / suspects`, each separated by blanks.
fn short(plan: &Plan) -> String {
    let names = |list: &[Target]| list.iter().map(|t| t.entity.name.clone()).collect::<Vec<_>>().join(" ");
    let actions: Vec<&str> = plan.actions.iter().map(|a| a.as_str()).collect();
    let named = |h: &&Hypothesis| **h != Hypothesis::Named;
    let beliefs: Vec<&str> = plan.hypotheses.iter().filter(named).map(|h| h.as_str()).collect();
    format!("{}/{}/{}/{}", actions.join(" "), names(&plan.targets), beliefs.join(" "), names(&plan.suspects))
}

#[test]
fn what_is_understood() {
    let mut wrong = Vec::new();
    for (text, want) in [
        // Actions.
        ("restart api-1", "restart/api-1//"),
        ("Restart the API!", "restart/api//"),
        ("let's bounce api-2 and see", "restart/api-2//"),
        ("I'm restarting api", "restart/api//"),
        ("roll back payment", "roll_back/payment//"),
        ("revert the last deploy of payment", "roll_back/payment//"),
        ("fail over postgres", "fail_over/postgres//"),
        ("promote the standby of postgres", "fail_over/postgres//"),
        ("scale up the workers", "scale_up///"),
        ("add two more instances of api", "scale_up/api//"),
        ("scale down cart", "scale_down/cart//"),
        ("drain h1", "drain/h1//"),
        ("take api-1 out of rotation", "drain/api-1//"),
        ("kill -9 postgres", "kill/postgres//"),
        ("flush the redis cache", "clear_cache/redis//"),
        ("FLUSHALL on redis", "clear_cache/redis//"),
        ("raise max_connections of postgres", "raise_limit/postgres//"),
        ("bump the memory limit of api", "raise_limit/api//"),
        ("add a member to etcd", "add_member/etcd//"),
        ("remove the dead member from etcd, then add a new member", "remove_member add_member/etcd//"),
        ("silence api for 2h", "silence/api//"),
        ("wait and watch", "wait///"),
        ("deploy the fix to cart", "deploy/cart//"),
        ("delete old logs on h1", "delete/h1//"),
        ("purge the queue of rabbitmq", "purge/rabbitmq//"),
        ("rate limit the crawlers", "shed///"),
        ("drain api-1, then restart it", "drain restart/api-1//"),
        // A machine is rebooted.
        ("restart h1", "reboot/h1//"),
        ("reboot the host", "reboot///"),
        // Beliefs.
        ("it's the deploy", "//deploy/"),
        ("it is the database", "//database/"),
        ("I think it is DNS", "//dns/"),
        ("it is payment", "///payment"),
        ("api is slow because of garbage collection", "//gc/api"),
        ("a retry storm from cart", "//retry_storm/cart"),
        ("memory leak in worker", "//memory_leak/worker"),
        ("restart api because it leaks memory", "restart/api/memory_leak memory/"),
        ("restart api, it's the connection pool", "restart/api/pool/"),
        // The opposite is no plan.
        ("don't restart api", "///api"),
        ("why is it slow", "///"),
        ("", "///"),
    ] {
        let got = short(&plan(text));
        if got != want {
            wrong.push(format!("{text}: {got} and not {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_thought_of() {
    for (text, said) in [
        ("take a heap dump, then restart api", vec![Said::Captured]),
        ("restart all api instances one by one", vec![Said::Gradual, Said::All]),
        ("tell support and fail over postgres", vec![Said::Told]),
        ("deploy cart, if errors rise roll back", vec![Said::Rollback]),
        ("silence api until 10:00", vec![Said::Until]),
        ("restart api", vec![]),
    ] {
        let plan = plan(text);
        assert_eq!(plan.said.iter().copied().collect::<Vec<_>>(), said, "{text}");
    }
    // What is done only then is no action of the plan.
    assert_eq!(plan("deploy cart, if errors rise roll back").actions, [Action::Deploy]);
}

#[test]
fn names_as_people_type_them() {
    for (text, name, matched) in [
        ("restart payment", "payment", Matched::Exactly),
        ("restart PAYMENT-1", "payment-1", Matched::Exactly),
        ("restart payment-7", "payment", Matched::AsPartOf),
        ("restart payment-6c9f7-x2k", "payment", Matched::AsPartOf),
        ("restart paymnet", "payment", Matched::Mistyped),
        ("restart ngnix", "nginx", Matched::Mistyped),
        ("restrat payment", "payment", Matched::Exactly),
    ] {
        let plan = plan(text);
        assert_eq!(plan.actions, [Action::Restart], "{text}");
        let target = plan.target().unwrap_or_else(|| panic!("{text}: {plan:?}"));
        assert_eq!((target.entity.name.as_str(), target.matched), (name, matched), "{text}");
        assert_eq!(plan.read_as.is_empty(), matched == Matched::Exactly, "{text}");
    }
    // Ports go without saying; a host and a service of one name is the service.
    let host = Entity {
        kind: EntityKind::Host,
        name: "db-2:9100".into(),
        service: String::new(),
        own: Vec::new(),
        of_service: Vec::new(),
        of_hosts: Vec::new(),
    };
    let names = Names::new(vec![host]);
    let plan = read(&Asked { text: "reboot db-2".into(), ..Asked::default() }, &names).unwrap();
    assert_eq!(plan.target().unwrap().entity.name, "db-2:9100");
}

#[test]
fn what_was_not_understood_is_said() {
    let read = plan("restart frobnicator-7 with the blue wombat");
    assert_eq!(read.unknown_names, ["frobnicator-7"]);
    assert_eq!(read.not_understood, ["blue", "wombat"]);
    assert_eq!(plan("restart api").not_understood, Vec::<String>::new());
    assert_eq!(plan("restart billing").unknown_names, ["billing"]);
}

#[test]
fn the_structured_part_comes_first() {
    let asked = |action: &str, target: &str, goal: &str, text: &str| {
        let asked =
            Asked { text: text.into(), action: action.into(), target: target.into(), goal: goal.into() };
        read(&asked, &names())
    };
    let plan = asked("fail over", "postgres", "diagnose", "").unwrap();
    assert_eq!((plan.actions[0], plan.goal), (Action::FailOver, Some(Goal::Diagnose)));
    assert_eq!(plan.in_words(), "failing over postgres");
    let plan = asked("restart", "", "", "payment").unwrap();
    assert_eq!(short(&plan), "restart/payment//");
    let plan = asked("restart", "nobody", "", "").unwrap();
    assert_eq!((plan.targets.len(), &plan.unknown_names[0]), (0, &"nobody".to_string()));
    for (action, goal, part) in [("panic", "", "is no action; there are restart"), ("", "win", "is no goal")]
    {
        assert!(asked(action, "", goal, "").unwrap_err().to_string().contains(part));
    }
    let long = asked("", "", "", &"x".repeat(TEXT_BYTES_MAX + 1)).unwrap_err();
    assert_eq!((long.kind, long.bound), (stdx::ErrorKind::TooLarge, Some("a plan in words")));
}

proptest! {
    #[test]
    fn no_words_make_it_panic(text in "\\PC{0,300}") {
        let _ = read(&Asked { text, ..Asked::default() }, &names());
    }

    /// Words that it knows, in any order.
    #[test]
    fn no_order_of_known_words_makes_it_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "restart", "roll", "back", "the", "deploy", "not", "if", "all", "it", "is", "because", "of", "api", "api-1",
                "cache", "clear", "add", "member", "etcd", "-9", "kill", "for", "2h", "memory", "leak", "-", "'", "1%",
            ]),
            0..40,
        ),
    ) {
        let plan = plan(&words.join(" "));
        prop_assert!(plan.actions.len() <= EACH_MAX && plan.targets.len() <= EACH_MAX);
        let _ = plan.in_words();
    }
}
