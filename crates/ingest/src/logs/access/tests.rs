//! Lines of access logs in the formats that people have.

use super::super::testing::{context, show};
use super::super::{Builder, Record};
use super::{AccessFormat, Usual, read};
use crate::Limits;
use model::Origin;

fn check(format: &str, line: &str, want: &str) {
    let limits = Limits::default();
    let format = AccessFormat::parse(format).unwrap();
    let (mut builder, mut record) = (Builder::new(context(&limits)), Record::default());
    read(line.as_bytes(), &format, &mut record, &context(&limits));
    builder.push(&record, &Origin::default());
    assert_eq!(show(&builder.finish()), want, "{line}");
}

#[test]
fn the_usual_formats() {
    check(
        "common",
        r#"127.0.0.1 - frank [20/Nov/2026:05:06:07 -0700] "GET /a.gif?x=1&y HTTP/1.0" 200 2326"#,
        "2026-11-20T12:06:07Z info9: GET /a.gif?x=1&y 200 {client.address=127.0.0.1, user.name=frank, http.request.method=GET, url.path=/a.gif, url.query=x=1&y, network.protocol.version=1.0, http.response.status_code=200, http.response.body.size=2326}",
    );
    check(
        "combined",
        r#"::1 - - [20/Nov/2026:05:06:07 +0000] "POST /pay HTTP/2.0" 503 0 "-" "curl/8 \"x\" \x22y\x22""#,
        r#"2026-11-20T05:06:07Z error17: POST /pay 503 {client.address=::1, http.request.method=POST, url.path=/pay, network.protocol.version=2.0, http.response.status_code=503, http.response.body.size=0, user_agent.original=curl/8 "x" "y"}"#,
    );
    check(
        "vhost_combined",
        r#"shop.example:443 10.0.0.1 - - [20/Nov/2026:05:06:07 +0000] "GET / HTTP/1.1" 404 12 "https://a/" "b""#,
        "2026-11-20T05:06:07Z warn13: GET / 404 {server.address=shop.example, server.port=443, client.address=10.0.0.1, http.request.method=GET, url.path=/, network.protocol.version=1.1, http.response.status_code=404, http.response.size=12, http.request.header.referer=https://a/, user_agent.original=b}",
    );
    check(
        "combined",
        r#"10.0.0.1 - - [20/Nov/2026:05:06:07 +0000] "\x16\x03\x01" 400 150 "-" "-""#,
        "2026-11-20T05:06:07Z warn13: \u{16}\u{3}\u{1} 400 {client.address=10.0.0.1, http.response.status_code=400, http.response.body.size=150}",
    );
}

#[test]
fn custom_formats_with_fields_of_ones_own() {
    check(
        r#"'$remote_addr - $remote_user [$time_local] "$request" ' '$status $body_bytes_sent "$http_referer" "$http_user_agent" ' 'uid=$user_id key="$http_x_api_key" rt=$request_time urt="$upstream_response_time"';"#,
        r#"10.0.0.1 - - [20/Nov/2026:05:06:07 +0000] "GET /cart HTTP/1.1" 200 12 "-" "b" uid=u-17 key="k 1" rt=0.120 urt="0.100, 0.020""#,
        "2026-11-20T05:06:07Z info9: GET /cart 200 {client.address=10.0.0.1, http.request.method=GET, url.path=/cart, network.protocol.version=1.1, http.response.status_code=200, http.response.body.size=12, user_agent.original=b, user_id=u-17, http.request.header.x-api-key=k 1, http.server.request.duration=0.12, nginx.upstream_response_time=0.100, 0.020}",
    );
    check(
        r#"$time_iso8601|$request_method|$request_uri|$status|$request_id|$upstream_addr"#,
        "2026-11-20T05:06:07+00:00|PUT|/a?b=c|201|abc|10.0.0.9:80",
        "2026-11-20T05:06:07Z info9: PUT /a?b=c 201 {http.request.method=PUT, url.path=/a, url.query=b=c, http.response.status_code=201, request_id=abc, nginx.upstream_addr=10.0.0.9:80}",
    );
    check(
        r#"%h %l %u %t \"%r\" %>s %b %D %{X-Request-Id}i %{api_key}n %^ti^tt"#,
        r#"h - - [20/Nov/2026:05:06:07 +0000] "GET / HTTP/1.1" 200 - 1500 r-1 k-2 x"#,
        "2026-11-20T05:06:07Z info9: GET / 200 {client.address=h, http.request.method=GET, url.path=/, network.protocol.version=1.1, http.response.status_code=200, http.server.request.duration=0.0015, http.request.header.x-request-id=r-1, api_key=k-2}",
    );
    check("%v %>s more", "a 200 more", "now info9: 200 {server.address=a, http.response.status_code=200}");
}

#[test]
fn what_was_added_behind_the_format_is_kept() {
    let fields = "client.address=1.2.3.4, http.request.method=GET, url.path=/, network.protocol.version=1.1, \
                  http.response.status_code=200, http.response.body.size=12";
    for (format, behind, text, more) in [
        ("combined", r#" "-" "b" 0.033 9f8e7d6c"#, " 0.033 9f8e7d6c", ", user_agent.original=b"),
        (
            "combined",
            r#" "-" "b" uid=u-17 key="k 1" rt=0.120"#,
            "",
            ", user_agent.original=b, uid=u-17, key=k 1, rt=0.120",
        ),
        ("combined", r#" "-" "b" uid=u-17 and more"#, " uid=u-17 and more", ", user_agent.original=b"),
        ("common", " 0.033 9f8e7d6c", " 0.033 9f8e7d6c", ""),
        ("common", " uid=u-17", "", ", uid=u-17"),
        ("common", "  ", "", ""),
    ] {
        check(
            format,
            &format!(r#"1.2.3.4 - - [20/Nov/2026:05:06:07 +0000] "GET / HTTP/1.1" 200 12{behind}"#),
            &format!("2026-11-20T05:06:07Z info9: GET / 200{text} {{{fields}{more}}}"),
        );
    }
}

#[test]
fn what_does_not_follow_the_format_is_text() {
    for line in [
        "",
        "hello",
        "1.2.3.4 - - [never",
        r#"1.2.3.4 - - [20/Nov/2026:05:06:07 +0000] "GET / HTTP/1.1" ok 3"#,
    ] {
        check("common", line, &format!("now: {line}"));
    }
}

#[test]
fn formats_that_make_no_sense_are_told() {
    for (text, words) in [
        ("", "is no format"),
        ("plain", "is no format"),
        ("%h%u", "side by side"),
        ("$a$b", "side by side"),
        ("%{Referer", "never closed"),
        ("%h %", "ends with"),
        ("%h %Z", "%Z"),
        ("a $ b", "no name"),
    ] {
        let error = AccessFormat::parse(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn usual_formats_are_recognised() {
    let (usual, limits) = (Usual::default(), Limits::default());
    let context = context(&limits);
    let mut record = Record::default();
    for (line, want) in [
        (r#"127.0.0.1 - - [20/Nov/2026:05:06:07 -0700] "GET / HTTP/1.0" 200 2326"#, true),
        (r#"127.0.0.1 - - [20/Nov/2026:05:06:07 -0700] "GET / HTTP/1.0" 200 2326 "-" "x""#, true),
        (r#"a.b:80 127.0.0.1 - - [20/Nov/2026:05:06:07 -0700] "GET / HTTP/1.0" 200 2326 "-" "x""#, true),
        (r#"app [x] "y" 1"#, false),
        ("", false),
    ] {
        record.clear();
        assert_eq!(usual.read(line, &mut record, &context), want, "{line}");
    }
}
