//! Counts over time, fields, and everything about one identifier.

use super::*;

#[test]
fn counts_fields_and_identifiers() {
    let folder = tempfile::tempdir().unwrap();
    let store = fill(folder.path());
    let change = Change { time_ns: 5, id: "u1".into(), title: "deployed".into(), ..Change::default() };
    store.tables().append_changes(vec![change]).unwrap().wait_blocking().unwrap();
    let tables = store.tables();
    let all = (i64::MIN, i64::MAX);
    for is_in_file in [false, true] {
        if is_in_file {
            store.flush_tables(0).unwrap();
        }
        let range = (10_000_000_000, 50_000_000_000);
        let counted = tables.histogram(Table::Logs, range, vec![], 5, Some("service")).unwrap();
        let groups: Vec<(&str, Vec<u64>)> =
            counted.groups.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
        let wanted =
            [("cart", vec![1, 1, 0, 0, 0]), ("mail", vec![0, 0, 0, 1, 1]), ("pay", vec![0, 0, 1, 0, 0])];
        assert_eq!(groups, wanted);
        let counted =
            tables.histogram(Table::Logs, all, vec![Predicate::Word("connection".into())], 1, None).unwrap();
        assert_eq!(counted.groups, [(String::new(), vec![2])]);
        assert!(tables.histogram(Table::Logs, (5, 4), vec![], 5, None).is_err());

        let fields = tables.fields(Table::Logs, all, vec![]).unwrap();
        assert_eq!((fields.rows, fields.is_sample), (5, false));
        let field = |name: &str| fields.fields.iter().find(|f| f.name == name).unwrap();
        assert_eq!(field("attributes.path").values, [("/cart".to_string(), 5)]);
        assert_eq!(field("resource.service.version").rows, 5);
        assert_eq!(field("service").values[0], ("cart".to_string(), 2));

        let found = tables.by_id("U1", all, 1).unwrap();
        let counts: Vec<_> = found.iter().map(|f| (f.table, f.rows.len(), f.has_more)).collect();
        assert_eq!(counts, [(Table::Logs, 1, true), (Table::Spans, 0, false), (Table::Changes, 1, false)]);
    }
}
