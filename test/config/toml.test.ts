// The key locator finds the line of every key that the TOML parser finds.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse as parseToml, stringify } from "smol-toml";
import { locateKeys, type Path } from "../../host/config/toml.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

test("keys are placed on their lines, whatever stands between them", () => {
  const text = [
    "# comment with [table] and key = 1", // 1
    'title = "a # no comment" # comment', // 2
    "", // 3
    "list = [", // 4
    '  "one", # ]', // 5
    "  { inner = 1, 'quoted key' = 2 },", // 6
    "]", // 7
    "[accounts.bob.balance]", // 8
    'maximum = "1"', // 9
    'text = """', // 10
    "[not.a.table]", // 11
    'fake = 1 \\""" ', // 12
    '""""', // 13
    "literal = '''", // 14
    "x = 1", // 15
    "''''", // 16
    "after.dotted . \"k\\u0065y\" = {a=[1,{b=2}], c = '''x''', }", // 17
    "[[routes]]", // 18
    "peerId = 1_000.5e-3", // 19
    "  [routes.sub]", // 20
    "  z = 1979-05-27 07:32:00", // 21
    "[[routes]]", // 22
    "peerId = +7 # last", // 23
  ].join("\r\n");
  const keys = locateKeys(text);
  const expected: [Path, number][] = [
    [["title"], 2],
    [["list"], 4],
    [["list", 0], 5],
    [["list", 1, "inner"], 6],
    [["list", 1, "quoted key"], 6],
    [["accounts"], 8],
    [["accounts", "bob", "balance"], 8],
    [["accounts", "bob", "balance", "maximum"], 9],
    [["accounts", "bob", "balance", "text"], 10],
    [["accounts", "bob", "balance", "literal"], 14],
    [["accounts", "bob", "balance", "after", "dotted", "key"], 17],
    [["accounts", "bob", "balance", "after", "dotted", "key", "a", 1, "b"], 17],
    [["accounts", "bob", "balance", "after", "dotted", "key", "c"], 17],
    [["routes", 0, "peerId"], 19],
    [["routes", 0, "sub", "z"], 21],
    [["routes", 1, "peerId"], 23],
  ];
  for (const [path, line] of expected) {
    assert.ok(keys.has(path), `found ${JSON.stringify(path)}`);
    assert.equal(keys.lineOf(path), line, JSON.stringify(path));
  }
  assert.equal(keys.has(["fake"]), false);
  assert.equal(keys.lineOf(["routes", 0, "sub", "absent"]), 20, "nearest parent");
  assert.equal(keys.lineOf(["absent"]), 0);
  assert.equal(keys.numberText(["routes", 0, "peerId"]), "1000.5e-3");
  assert.equal(keys.numberText(["routes", 1, "peerId"]), "+7");
  assert.equal(keys.numberText(["title"]), null);
});

test("text that is not TOML ends the walk and nothing else", () => {
  for (const text of ["[", "[[", "a", "a =", 'a = "', "a = [1", "a = {b", "= 1", "a = 'x\n[b]"]) {
    assert.equal(locateKeys(text).lineOf(["zzz"]), 0, text);
  }
});

/** Every path of a parsed document. */
function pathsOf(value: unknown, path: Path, out: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(name) : name];
    out.add(JSON.stringify(at));
    pathsOf(inner, at, out);
  }
}

test(`the same keys as the parser finds, on lines that show them (seed ${SEED})`, () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/),
    fc.string({ maxLength: 5 }).filter((text) => text !== "__proto__"),
  );
  const leaf = fc.oneof(
    fc.string(),
    fc.constantFrom('"""', "'''", "a\nb", "[x]", "# no", 'say "hi"', "\\", "= {"),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.string(), { maxLength: 3 }),
  );
  const table = fc.letrec<{ table: Record<string, unknown> }>((tie) => ({
    table: fc.dictionary(
      name,
      fc.oneof(
        { depthSize: "small" },
        leaf,
        tie("table"),
        fc.array(tie("table"), { minLength: 1, maxLength: 3 }),
      ),
      { maxKeys: 4 },
    ),
  })).table;
  fc.assert(
    fc.property(table, (document) => {
      const text = stringify(document);
      const keys = locateKeys(text);
      const expected = new Set<string>();
      pathsOf(parseToml(text), [], expected);
      const found = new Set(keys.paths().map((path) => JSON.stringify(path)));
      assert.deepEqual(found, expected);
      for (const path of keys.paths()) {
        const last = path.at(-1);
        if (typeof last !== "string" || !/^[\w-]+$/.test(last)) continue;
        const line = text.split("\n")[keys.lineOf(path) - 1] ?? "";
        assert.ok(line.includes(last), `${JSON.stringify(path)} on "${line}"`);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});
