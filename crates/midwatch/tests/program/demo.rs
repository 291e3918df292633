//! `midwatch demo`: a newcomer's minute. It has a past, breaks by itself, is found by the program's own pages, and leaves
//! nothing behind.

use crate::support::{Home, Midwatch, eventually};

fn demo(home: &Home, flags: &[&str]) -> Midwatch {
    let mut command = home.command(&[&["demo", "--listen", "127.0.0.1:0"], flags].concat());
    command.env("TMPDIR", home.path(""));
    Midwatch::start(command)
}

#[test]
fn the_shop_has_a_past_and_a_present_and_nothing_of_it_is_refused() {
    let home = Home::new();
    let midwatch = demo(&home, &[]);
    // The past is sent before the address is printed.
    let orders = midwatch.value("sum(increase(shop_orders_total[50m] offset 1m))").unwrap();
    assert!(orders > 1_000.0, "{orders} orders in its past");
    let slow = r#"histogram_quantile(0.9, sum by (le) (rate(db_client_operation_duration_seconds_bucket{db_operation_name="select orders of user"}[2m] offset 43m)))"#;
    assert!(midwatch.value(slow).unwrap() > 0.1, "an index was missing 45 minutes ago");
    eventually("all eight services send", || match midwatch.value("count(group by (job) (target_info))") {
        Ok(8.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(midwatch.own("midwatch_samples_rejected_total"), 0.0);
    assert_eq!(midwatch.stop().code, Some(0));
    let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?} is left");
}

#[test]
fn its_faults_are_listed_and_one_that_is_not_there_is_said() {
    let home = Home::new();
    let list = home.run(&["demo", "--list"]);
    assert_eq!(list.code, Some(0));
    assert!(list.stdout.lines().count() >= 9 && list.stdout.contains("bad-deploy"), "{list:?}");
    let wrong = home.run(&["demo", "--fault", "gremlins"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("gremlins") && wrong.stderr.contains("slow-sql"), "{wrong:?}");
}
