//! Questions and their answers: what the tables hold, which conditions the store takes, and PromQL inside SQL.

use crate::support::small;
use sql::{Parameter, answer::Format};

#[test]
fn answers() {
    let stored = small();
    for (text, want) in [
        ("SELECT count(*) FROM metrics", "80"),
        ("SELECT count(*) FROM metrics WHERE name = 'requests_total'", "60"),
        ("SELECT count(*) FROM metrics WHERE name = 'memory_bytes'", "20"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] = '500'", "20"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] != '500'", "40"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] IS NULL", "20"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] IS NOT NULL", "60"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] = ''", "0"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] IN ('500', '404')", "20"),
        ("SELECT count(*) FROM metrics WHERE labels['code'] NOT IN ('500', '404')", "40"),
        ("SELECT count(*) FROM metrics WHERE labels['job'] IN ('a','b','c','d','e','web')", "20"),
        ("SELECT count(*) FROM metrics WHERE labels['job'] = 'web' OR labels['job'] = 'api'", "80"),
        ("SELECT count(*) FROM metrics WHERE labels['job'] = 'web' OR labels['code'] = '500'", "40"),
        ("SELECT count(*) FROM metrics WHERE name LIKE 'req%'", "60"),
        ("SELECT count(*) FROM metrics WHERE name LIKE '%\\_bytes'", "20"),
        ("SELECT count(*) FROM metrics WHERE name NOT LIKE 'req%'", "20"),
        ("SELECT count(*) FROM metrics WHERE name ILIKE 'REQ%TOTAL'", "60"),
        ("SELECT count(*) FROM metrics WHERE labels['job'] LIKE '_pi'", "60"),
        ("SELECT count(*) FROM metrics WHERE name ~ '^req.*l$'", "60"),
        ("SELECT count(*) FROM metrics WHERE name ~ 'bytes'", "20"),
        ("SELECT count(*) FROM metrics WHERE name !~ 'bytes'", "60"),
        ("SELECT count(*) FROM metrics WHERE time >= '2026-01-31T12:09:30Z'", "4"),
        ("SELECT count(*) FROM metrics WHERE time > '2026-01-31T12:09:00Z'", "4"),
        ("SELECT count(*) FROM metrics WHERE time > '2026-01-31T12:09:00.0001Z'", "4"),
        ("SELECT count(*) FROM metrics WHERE time < '2026-01-31T12:00:00.0001Z'", "4"),
        ("SELECT count(*) FROM metrics WHERE time <= '2026-01-31T12:00:00Z'", "4"),
        ("SELECT count(*) FROM metrics WHERE time = timestamp '2026-01-31T12:00:30Z'", "4"),
        (
            "SELECT count(*) FROM metrics WHERE time BETWEEN '2026-01-31T12:00:00Z' AND '2026-01-31T12:01:00Z'",
            "12",
        ),
        ("SELECT count(*) FROM metrics WHERE time > now() - interval '5 minutes'", "36"),
        ("SELECT count(*) FROM metrics WHERE name = 'no_such'", "0"),
        ("SELECT count(*) FROM metrics WHERE value > 100", "29"),
        ("SELECT sum(value) FROM metrics WHERE name = 'requests_total' AND labels['code'] = '500'", "190"),
        ("SELECT count(*) FROM series", "4"),
        ("SELECT sum(samples) FROM series WHERE name LIKE 'requests%'", "60"),
        ("SELECT min(first_seen) FROM series", "2026-01-31T12:00:00Z"),
        (
            "SELECT count(*) FROM metrics m JOIN series s ON m.series_id = s.id WHERE s.labels['job'] = 'web'",
            "20",
        ),
        (
            "SELECT name FROM series WHERE id = (SELECT max(series_id) FROM metrics WHERE name='memory_bytes')",
            "memory_bytes",
        ),
        ("SELECT 'a' || 'b' || NULL", ""),
        ("SELECT 'a' || 1 || 'b'", "a1b"),
        (
            "SELECT to_json(labels) FROM series WHERE labels['code'] = '500'",
            "\"{\"\"code\"\":\"\"500\"\",\"\"job\"\":\"\"api\"\"}\"",
        ),
        ("SELECT count(*) FROM promql('requests_total', '2026-01-31T12:05:00Z')", "3"),
        (
            "SELECT value FROM promql('sum by (job) (requests_total)', '2026-01-31T12:05:00Z') WHERE labels['job'] = 'web'",
            "50",
        ),
        ("SELECT value FROM promql('1 + 1')", "2"),
        (
            "SELECT count(*) FROM promql('requests_total', '2026-01-31T12:00:00Z', '2026-01-31T12:05:00Z', '1m')",
            "18",
        ),
        ("SELECT count(*) FROM promql('up', now() - interval '1 hour', now(), interval '1 minute')", "0"),
        (
            "SELECT round(avg(value), 3) FROM promql('sum by (job) (rate(requests_total[5m]))', timestamp '2026-01-31T12:08:00Z') WHERE labels['job'] = 'api'",
            "0.367",
        ),
    ] {
        let got = stored.csv(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let rows = got.split_once('\n').map_or("", |(_, rows)| rows);
        assert_eq!(rows.trim_end_matches('\n'), want, "{text}");
    }
}

#[test]
fn an_answer_in_json() {
    let stored = small();
    let text = "SELECT time, name, labels, value, histogram FROM metrics WHERE labels['code'] = $1 \
                ORDER BY time LIMIT 1";
    let out = stored.written(text, &[Parameter::Text("500".into())], Format::Json).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&out).unwrap();
    json["stats"]["seconds"] = 0.into();
    assert_eq!(
        json,
        serde_json::json!({
            "status": "success",
            "data": {
                "columns": [
                    { "name": "time", "type": "timestamp" },
                    { "name": "name", "type": "text" },
                    { "name": "labels", "type": "map" },
                    { "name": "value", "type": "float" },
                    { "name": "histogram", "type": "text" },
                ],
                "rows": [["2026-01-31T12:00:00Z", "requests_total", { "code": "500", "job": "api" }, 0, null]],
            },
            "stats": { "rows": 1, "seconds": 0 },
            "truncated": false,
        })
    );
}

#[test]
fn values_that_json_and_csv_find_hard() {
    let stored = small();
    let text = "SELECT * FROM (VALUES (1, 9007199254740993, 'NaN'::double, 1e300, '', NULL, [1, NULL], \
                'say \"hi\",\n\u{1}', true, interval '1 day', date '2026-01-31', 1.50::decimal(5,2)))";
    let json: serde_json::Value =
        serde_json::from_str(&stored.written(text, &[], Format::Json).unwrap()).unwrap();
    assert_eq!(
        json["data"]["rows"][0],
        serde_json::json!([
            1,
            "9007199254740993",
            "NaN",
            1e300,
            "",
            null,
            [1, null],
            "say \"hi\",\n\u{1}",
            true,
            "1 days",
            "2026-01-31",
            "1.50"
        ])
    );
    let csv = stored.csv(text).unwrap();
    assert_eq!(
        csv.split_once('\n').unwrap().1,
        "1,9007199254740993,NaN,1e300,\"\",,\"[1,null]\",\"say \"\"hi\"\",\n\u{1}\",true,1 days,2026-01-31,1.50\n"
    );
}
