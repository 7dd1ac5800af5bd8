import assert from "node:assert/strict";
import { test } from "node:test";
import { claimLine, edgeFile, facesOf, isOwnAddress, serviceAddress } from "../../console/admin/kinds.js";

test("addresses that only the machine itself reaches are known", () => {
  const own = ["http://localhost:8000", "http://127.0.0.1", "http://127.9.9.9/x", "http://[::1]:8000",
    "http://0.0.0.0:8000"];
  const others = ["http://192.168.1.20:8000", "https://regulars.example", "http://localhost.example", "nothing"];
  assert.deepEqual([...own, ...others].map(isOwnAddress), [...own.map(() => true), ...others.map(() => false)]);
});

test("an address of the service is http or https, without user and query", () => {
  assert.equal(serviceAddress(" http://192.168.1.20:8000/ "), "http://192.168.1.20:8000");
  assert.equal(serviceAddress("https://a.example/prod/api"), "https://a.example/prod/api");
  assert.deepEqual(["", "192.168.1.20", "ftp://a", "http://u@a", "http://a?b"].map(serviceAddress),
    [null, null, null, null, null]);
});

test("a file has quotes only around values", () => {
  const file = edgeFile("ftp", { id: "door", address: "https://a.example", place: '/srv/"a"\\b' });
  assert.match(file, /folder = "\/srv\/\\"a\\"\\\\b"\nafter = "delete"\n$/);
});

test("the largest face is judged by its shorter side", () => {
  const seen = (...sides) => facesOf({ sightings: sides.map(([width, height]) => ({ box: { width, height } })) });
  assert.deepEqual(seen(), { count: 0, px: 0, size: "none" });
  assert.deepEqual([seen([15, 40]), seen([29.4, 40]), seen([12, 12], [31.2, 30.6])], [
    { count: 1, px: 15, size: "tiny" }, { count: 1, px: 29, size: "small" }, { count: 2, px: 31, size: "large" }]);
});

test("the line for a box quotes its place, and has none if none was said", () => {
  assert.equal(claimLine("7KQM", "https://a.example", " /srv/it's "),
    "regulars-edge claim 7KQM https://a.example --camera '/srv/it'\\''s'");
  assert.equal(claimLine("7KQM", "https://a.example", ""), "regulars-edge claim 7KQM https://a.example");
});
