/** Going deeper on the page Cardinality. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { drill } from "../../src/pages/cardinality";
import { parseUrl, toUrl } from "../../src/state/url";

test("from a metric to its labels, to their values, to the metrics that have them", () => {
  const metric = drill("metric", "http_requests_total", "");
  assert.deepEqual(metric, {
    by: "label",
    match: '{__name__="http_requests_total"}',
    look: '{__name__="http_requests_total"}',
  });
  const label = drill("label", "path", metric.match);
  assert.deepEqual([label.by, label.match], ["value:path", metric.match]);
  const value = drill("value:path", 'a"b', metric.match);
  assert.deepEqual([value.by, value.match], ["metric", '{__name__="http_requests_total",path="a\\"b"}']);
  assert.deepEqual(drill("pair", "url=a=b", "").match, '{url="a=b"}');
  assert.deepEqual(drill("source", "shop", "").match, '{job="shop"}');
});

test("the address holds what is counted", () => {
  const url = "/cardinality?q=http&match=%7Bjob%3D%22shop%22%7D&by=value:path&sort=growth";
  assert.equal(toUrl(parseUrl(url)), url);
  assert.equal(toUrl(parseUrl("/cardinality?by=nonsense&sort=nonsense")), "/cardinality");
});
