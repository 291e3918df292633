//! Runs every script in `tests/scripts`: data, queries, and what they answer. See `support` for the
//! language.

mod support;

/// One test per script.
macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            support::run(stringify!($name), include_str!(concat!("scripts/", stringify!($name), ".txt")));
        })*

        #[test]
        fn every_script_is_run() {
            let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/tests/scripts";
            let mut names: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|f| f.unwrap().file_name().into_string().unwrap().replace(".txt", ""))
                .collect();
            names.sort();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

scripts! {
    aggregations basics counters durations edges fill functions histograms info labels literals matching
    native operators over_time selectors starts subqueries
}
