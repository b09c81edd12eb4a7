// House rules that no compiler checks, over every file of the repository. Each rule is first shown
// a fault that it must see and the nearest thing that it must let pass.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as tidy from "./support/tidy.js";
import type { Source } from "./support/tidy.js";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Files git keeps. */
function listFiles(): string[] {
  // What is in the repository: a script somebody tries out beside it is theirs.
  const args = ["ls-files", "-z", "--cached"];
  const names = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\0");
  return [...new Set(names)].filter((name) => name && existsSync(join(root, name))).sort();
}

const paths = listFiles();

function read(pattern: RegExp): Source[] {
  const chosen = paths.filter((path) => pattern.test(path));
  return chosen.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

const core = read(/^assembly\/(?!tools\/).*\.ts$/);
const probes = read(/^test\/probe\/.*\.ts$/);
const host = read(/^host\/.*\.c?ts$/);
const tests = read(/^test\/(?!probe\/).*\.m?ts$/);
const all = [...core, ...probes, ...host, ...tests, ...read(/\.mjs$/)];

function check(sources: Source[], rule: (source: Source) => string[]): void {
  assert.deepEqual(sources.flatMap(rule), []);
}

const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

describe("every file", () => {
  test("has lines of at most 100 columns", () => check(all, tidy.findLongLines));
  test("starts by saying what it is", () => check(all, tidy.findMissingHeader));
  test("is finished", () => check(all, tidy.findUnfinished));
  test("names no machine, no registry", () => {
    const text = read(
      /^(?!package-lock\.json).*(\.(md|json|ts|mjs|js|toml|sh|yml|c|h)|\/run)$|^\.\w/,
    );
    check(text, tidy.findMachineNames);
  });
});

describe("the core", () => {
  test("has functions of at most 70 lines", () => check(core, (s) => tidy.findLongFunctions(s)));
  test("allocates nothing", () => check(core, tidy.findAllocation));
  test("keeps its text in text.ts", () => check(core, tidy.findText));
  test("has no variables outside linear memory", () => check(core, tidy.findGlobals));
  test("has no floating point", () => check(core, tidy.findFloats));
  test("imports in one direction", () => check(core, tidy.findLayering));
  test("exports nothing that is not used", () => {
    assert.deepEqual(tidy.findUnusedExports(core, probes), []);
  });
});

describe("host and tests", () => {
  test("have functions of at most 70 lines", () => {
    check(host, (source) => tidy.findLongFunctions(source));
    check(tests, (source) => tidy.findLongFunctions(source, false));
  });
  test("know the type of everything", () => check([...host, ...tests], tidy.findAny));
});

describe("the repository", () => {
  test("holds the fixed names at its top", () => {
    assert.deepEqual(tidy.findStrayTopLevel(paths), []);
  });
  test("has no dead links in its documents", () => {
    check(read(/\.md$/), (source) =>
      tidy.findBrokenLinks(source, (p) => existsSync(join(root, p))),
    );
  });
  test("locks versions and checksums, not download addresses", () => {
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    assert.doesNotMatch(lock, /"resolved"/);
    assert.match(lock, /"integrity"/);
  });
  test("pins its dependencies exactly", () => {
    const text = readFileSync(join(root, "package.json"), "utf8");
    const { dependencies, devDependencies } = JSON.parse(text) as Record<string, object>;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)),
    );
    assert.deepEqual(loose, []);
  });
});

// ---- planted faults

type Rule = (source: Source) => string[];
const body = (count: number): string => `function f() {\n${lines(count - 2, "  g();")}}\n`;

/** Rule, what it must see, what it must let pass. */
const planted: [name: string, rule: Rule, wrong: string[], right: string[]][] = [
  [
    "long lines",
    tidy.findLongLines,
    ["x".repeat(101), `// a\n${"y ".repeat(51)}`],
    ["x".repeat(100), "é".repeat(100), `// GENERATED\n${"x".repeat(200)}`],
  ],
  [
    "long functions",
    (source) => tidy.findLongFunctions(source),
    [body(71), `const f = () => {\n${lines(70, "g();")}};`],
    [body(70), `// GENERATED\n${body(71)}`],
  ],
  ["missing headers", tidy.findMissingHeader, ["const a = 1;"], ["// Says.", "#!/bin/x\n// Says."]],
  ["unfinished work", tidy.findUnfinished, ["// TO" + "DO", "a(); // FIX" + "ME: b"], ["// ToDo"]],
  ["any", tidy.findAny, ["const a: any = 1;", "f(b as any[])"], ["// any: any", "anyway: string"]],
  [
    "allocation",
    tidy.findAllocation,
    [
      ...["new A();", "f([1]);", "let a: u8[];", "let a: StaticArray<u8>;", "f((a) => a);"],
      ...["throw 1;", "`a${b}`;", "class A {}", "// @unmanaged\nclass A {}", "let a: Uint8Array;"],
    ],
    ["memory.data<u8>([1, 2]);", "// new\nf(renew);", "@unmanaged\nexport class A {}"],
  ],
  [
    "text",
    tidy.findText,
    ['f("a");', "let a: string;", "f(`a`);"],
    ['import { a } from "./a";', 'ERROR("a");', 'load<u8>(p, offsetof<A>("b"));'],
  ],
  [
    "globals",
    tidy.findGlobals,
    ["let a = 1;", "export let a: u32;", "var a = 1;"],
    ["const a = 1;", "function f() { let a = 1; }"],
  ],
  [
    "floats",
    tidy.findFloats,
    ["let a: f64;", "a = 1.5;", "a = 1e3;", "Math.min(a)"],
    ["a = 0x1e3;"],
  ],
  [
    "layering",
    (source) => tidy.findLayering({ ...source, path: "assembly/wire/a.ts" }),
    ['import { a } from "../ledger/account";', 'export * from "../flow/a";'],
    ['import { a } from "./oer";', 'import { Status } from "../abi";'],
  ],
  [
    "dead links",
    (source) => tidy.findBrokenLinks({ ...source, path: "a/b.md" }, (path) => path === "a/c.md"),
    ["[x](d.md)", "[x](../c.md)", '[x](../d.md "t") [y](c.md)'],
    ["[x](c.md)", "[x](../a/c.md#y)", "[x](https://a.b/c)", "[x](#y)", "`[x](d.md)`"],
  ],
  [
    "machine names",
    tidy.findMachineNames,
    [
      "cd /home/" + "ann/x",
      'path = "/ro' + 'ot/x"',
      "https://registry." + "npmjs.org/a",
      "C:\\Us" + "ers\\",
    ],
    ["https://example.org/home/ann/x", "~/work/x", "$HOME/x", "host/root/x"],
  ],
];

describe("the rules see what they are for", () => {
  for (const [name, rule, wrong, right] of planted) {
    test(name, () => {
      for (const text of wrong) {
        assert.equal(rule({ path: "planted.ts", text }).length, 1, `not seen: ${text}`);
      }
      for (const text of right) assert.deepEqual(rule({ path: "planted.ts", text }), []);
    });
  }
  test("unused exports", () => {
    const a = {
      path: "assembly/x/a.ts",
      text: "export function f() {}\nexport const G = 1, H = 2;",
    };
    const b = { path: "assembly/b.ts", text: 'import { f as g } from "./x/a";\ng();' };
    const probe = (text: string): Source => ({ path: "test/probe/p.ts", text });
    const used = probe('import * as a from "../../assembly/x/a";\na.G(a.H);');
    assert.deepEqual(
      tidy.findUnusedExports([a, b], []).map((s) => s.slice(-1)),
      ["G", "H"],
    );
    assert.deepEqual(tidy.findUnusedExports([a, b], [used]), []);
    assert.deepEqual(
      tidy.findUnusedExports([a], [used]).map((s) => s.slice(-1)),
      ["f"],
    );
    const own = { path: "assembly/c.ts", text: "export const A = 1;\nexport function f() { A; }" };
    assert.deepEqual(
      tidy.findUnusedExports([own], []).map((s) => s.slice(-1)),
      ["f"],
    );
    const index = { path: "assembly/index.ts", text: 'export { f, G, H } from "./x/a";' };
    assert.deepEqual(tidy.findUnusedExports([a, index], []), []);
  });
  test("stray files at the top", () => {
    assert.deepEqual(tidy.findStrayTopLevel(["a.txt", "host/a.ts", ".x", "docs/a.md"]), [
      "a.txt",
      "docs",
    ]);
  });
});
