// The embedding kits do what their READMEs say: `npm run test:kits`, or with parts of names after
// `--`. Each kit's example is built and run as a reader would, and must print what
// boards/embed/expected.txt says. Then the npm package as npm would publish it, in a bundler, in a
// page, and where compiling is forbidden. What this machine cannot run is named with what installs
// it; with CI set that is a failure.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createConnection, type AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { freePort } from "../support/peers.js";
import { Browser } from "./chromium.js";
import { isThere, must, root, RUNTIMES, PYTHON } from "./list.js";

const EMBED = `${root}boards/embed/`;
const EXPECTED = readFileSync(`${EMBED}expected.txt`, "utf8");
const OUT = `${root}build/kits/`;
const BOARD = `${root}build/board.wasm`;
const TYPES: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm" };
const PUBLINT = "publint@0.3.25";
const ATTW = "@arethetypeswrong/cli@0.18.5";

interface Kit {
  name: string;
  needs: string[];
  install: string;
  /** Runs the example on a core. @returns what it printed. */
  run: (core: string) => string | Promise<string>;
  /** Takes the core it is given, and must print something else with a wrong one. */
  takesCore?: boolean;
}

/** A kit with what its runtime needs, and builds with. */
function kit(name: string, id: string, run: (core: string) => string, builds = true): Kit {
  const { needs, install, make } = RUNTIMES.find((runtime) => runtime.id === id)!;
  if (!builds) return { name, needs, install, run };
  let isBuilt = false;
  const build = (): void => {
    if (!isBuilt) make?.();
    isBuilt = true;
  };
  return { name, needs, install, run: (core) => (build(), run(core)), takesCore: true };
}

/** Where the C kit is told things that are not so. */
const WRONG_C = `${OUT}c/`;

/** The C kit refuses what it cannot take: a core of another version, a code that is too long. */
function refuseByC(): void {
  rmSync(WRONG_C, { recursive: true, force: true });
  mkdirSync(WRONG_C, { recursive: true });
  const header = readFileSync(`${root}boards/include/ferrule.h`, "utf8");
  const other = header.replace(/(FERRULE_ABI_VERSION) (\d+)u/, "$1 1$2u");
  if (other === header) throw new Error("ferrule.h has another form");
  writeFileSync(`${WRONG_C}other.h`, other);
  const code = `"X" ${'"0123456789abcdef" '.repeat(16)}`;
  const program = `#include "connector.h"
    #include <stdio.h>
    int main(void) {
      ferrule_node* node = ferrule_start(8);
      printf("%d", node ? ferrule_set_asset(node, 0, ${code}, 9) : 1);
    }`;
  writeFileSync(`${WRONG_C}refuse.c`, program);
  const compile = (flags: string[]): string => {
    const folder = `${root}build/embed-c`;
    const sources = ["connector.c", "packet.c", "runtime.c"].map((name) => `${EMBED}c/${name}`);
    const include = [folder, `${EMBED}c`, `${root}boards/include`].map((path) => `-I${path}`);
    const wasm2c = ["MEMCHECK_SIGNAL_HANDLER", "USE_STACK_DEPTH_COUNT"];
    const options = [...wasm2c.map((name) => `-DWASM_RT_${name}=0`), "-std=gnu11", ...include];
    const files = [`${WRONG_C}refuse.c`, ...sources, `${folder}/core.o`];
    must("gcc", [...options, ...flags, ...files, "-lm", "-o", `${WRONG_C}refuse`]);
    return must(`${WRONG_C}refuse`, []);
  };
  const said = [compile([]), compile(["-include", `${WRONG_C}other.h`])].join(" ");
  if (said !== "-1 1") throw new Error(`it does not refuse what it cannot take: ${said}`);
}

function runC(): string {
  const printed = must("make", ["-s", "-C", `${EMBED}c`, "run"]);
  refuseByC();
  // The header is for C++ as well.
  const flags = ["-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"];
  must("g++", [...flags, "-include", `${root}boards/include/ferrule.h`, "/dev/null"]);
  return printed;
}

function runGo(core: string): string {
  const cwd = `${EMBED}go`;
  const unformatted = must("gofmt", ["-l", cwd, `${root}boards/runtimes/go`]);
  if (unformatted) throw new Error(`gofmt would change ${unformatted}`);
  must("go", ["vet", "./..."], { cwd });
  must("go", ["test", "-count=1", "./..."], { cwd });
  return must("go", ["run", "./cmd/pay", core], { cwd });
}

function runRust(core: string): string {
  must("cargo", ["fmt", "--all", "--check", "--manifest-path", "boards/Cargo.toml"]);
  return must(`${root}build/cargo/release/examples/pay`, [core]);
}

const JAVA_PATH = `${root}build/java/ferrule/classes:${root}build/java/lib/*`;

const C_INSTALL = "apt-get install make gcc g++ libc6-dev wabt";

const KITS: Kit[] = [
  { name: "c", needs: ["make", "gcc", "wasm2c", "g++"], install: C_INSTALL, run: runC },
  kit("go", "go-compiler", runGo),
  kit("java", "java-compiler", (core) =>
    must("java", ["-cp", JAVA_PATH, "ferrule.examples.Pay", core]),
  ),
  kit("python", "python-wasmtime", (core) => must(PYTHON, ["-B", `${EMBED}python/pay.py`, core])),
  kit("rust", "rust-cranelift", runRust),
  { name: "browser", needs: ["npm", "chromium"], install: "apt-get install chromium", run: page },
  {
    name: "browser-linked",
    needs: ["npm", "chromium"],
    install: "apt-get install chromium",
    run: devServer,
  },
  { name: "worker", needs: ["npm"], install: "Node 20 or newer, npm", run: worker },
];

// ---- the npm package

/** The package as npm would publish it. */
function pack(): string {
  mkdirSync(OUT, { recursive: true });
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", OUT];
  const [found] = JSON.parse(must("npm", args)) as { filename: string }[];
  return OUT + found!.filename;
}

/** What consumers' tools would complain about. Both come from the registry, at these versions. */
function checkPackage(tarball: string): void {
  must("npx", ["--yes", PUBLINT, "--strict", tarball]);
  // Only a file's own name says what the last two are: no types to be right or wrong.
  const others = ["--exclude-entrypoints", "ferrule.h", "ferrule.wit", "package.json"];
  must("npx", ["--yes", ATTW, tarball, "--profile", "esm-only", ...others]);
  const listed = must("tar", ["-tzf", tarball]);
  for (const file of [
    "boards/include/ferrule.h",
    "boards/include/ferrule.wit",
    "assembly/README.md",
  ]) {
    if (!listed.includes(`package/${file}\n`)) throw new Error(`the package has no ${file}`);
  }
}

let installed: string | undefined;

/** The browser example with the published package, installed and bundled by vite. */
function installPage(): string {
  if (installed) return installed;
  const tarball = pack();
  checkPackage(tarball);
  const folder = `${OUT}browser/`;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${EMBED}browser`, folder, { recursive: true });
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
  must("npm", ["ci", ...quiet], { cwd: folder });
  must("npm", ["install", "--no-save", ...quiet, tarball], { cwd: folder });
  must("npx", ["vite", "build", "--logLevel", "warn"], { cwd: folder });
  return (installed = folder);
}

/** Shows a page in Chromium. `dist`: its folder, served here; else `url` says where it is, given a
 * script for it to carry. @returns what it wrote. */
async function show(at: (tell: string) => { dist: string } | { url: string }): Promise<string> {
  let hear: (text: string) => void;
  const said = new Promise<string>((resolve) => (hear = resolve));
  let folder = "";
  let script = "";
  const server = createServer((request, response) => {
    const path = request.url === "/" ? "/index.html" : request.url!;
    if (path === "/said") {
      let text = "";
      request.on("data", (part: Buffer) => (text += part.toString()));
      request.on("end", () => (hear(text), response.end()));
    } else {
      try {
        const file = readFileSync(join(folder, path));
        response.setHeader("content-type", TYPES[extname(path)] ?? "text/html");
        response.end(path === "/index.html" ? file.toString() + script : file);
      } catch {
        response.writeHead(404).end();
      }
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // A script of the test's that says what the page shows once it is done.
  script = `<script>new MutationObserver(() => document.title === "done" && fetch("${own}said", {
    method: "POST", mode: "no-cors", body: document.querySelector("pre").textContent,
  })).observe(document.querySelector("title"), { childList: true });</script>`;
  const place = at(script);
  if ("dist" in place) folder = place.dist;
  const browser = new Browser("url" in place ? place.url : own);
  try {
    const late = setTimeout(60_000, "the page said nothing for a minute", { ref: false });
    return await Promise.race([said, late]);
  } finally {
    await browser.stop();
    server.closeAllConnections();
    server.close();
  }
}

/** The bundled page. */
function page(): Promise<string> {
  return show(() => ({ dist: join(installPage(), "dist") }));
}

/** What the first line of the browser kit's README does: the package linked, vite's own server. */
async function devServer(): Promise<string> {
  const folder = `${OUT}linked/`;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${EMBED}browser`, folder, { recursive: true });
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
  must("npm", ["install", ...quiet], { cwd: folder });
  must("npm", ["install", "--no-save", ...quiet, "../../.."], { cwd: folder });
  const port = await freePort();
  const args = [`${folder}node_modules/vite/bin/vite.js`, "--host", "127.0.0.1", "--strictPort"];
  const all = [...args, "--port", `${port}`];
  const vite = spawn(process.execPath, all, {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await untilOpen(port);
    return await show((tell) => {
      const html = `${folder}index.html`;
      writeFileSync(html, readFileSync(html, "utf8") + tell);
      return { url: `http://127.0.0.1:${port}/` };
    });
  } finally {
    vite.kill();
  }
}

/** Waits until somebody listens on a port. */
async function untilOpen(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, "127.0.0.1", () => (socket.end(), resolve(true)));
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    await setTimeout(50);
  }
}

/** Runs the worker in workerd, which compiles no code at run time. @returns what it answered. */
async function worker(): Promise<string> {
  const folder = installPage();
  const bundle = [
    "esbuild",
    `${folder}worker.mjs`,
    "--bundle",
    "--format=esm",
    "--log-level=error",
  ];
  must("npx", [...bundle, "--external:*.wasm", `--outfile=${folder}worker.bundle.mjs`]);
  cpSync(`${folder}node_modules/ferrule/build/gateway.wasm`, `${folder}core.wasm`);
  const port = await freePort();
  const workerd = `${folder}node_modules/@cloudflare/workerd-linux-64/bin/workerd`;
  const address = `--socket-addr=http=127.0.0.1:${port}`;
  const child = spawn(workerd, ["serve", `${folder}worker.capnp`, address], { stdio: "inherit" });
  try {
    await untilOpen(port);
    return await (await fetch(`http://127.0.0.1:${port}/`)).text();
  } finally {
    child.kill();
  }
}

/** A core that rejects in other words: what is printed must not pass. */
function writeWrongCore(): string {
  const wasm = readFileSync(BOARD);
  const at = wasm.indexOf("did not match", 0, "latin1");
  if (at < 0) throw new Error("the core has other words for a wrong fulfillment");
  wasm[at]! ^= 1;
  mkdirSync(OUT, { recursive: true });
  writeFileSync(`${OUT}wrong.wasm`, wasm);
  return `${OUT}wrong.wasm`;
}

/** @returns what is wrong with a kit; "" when nothing is. */
async function examine({ run, takesCore }: Kit, wrongCore: string): Promise<string> {
  try {
    const printed = await run(BOARD);
    if (printed !== EXPECTED) return `it printed:\n${printed}`;
    if (takesCore && (await run(wrongCore)) === EXPECTED)
      return "it prints the same for a wrong core";
    return "";
  } catch (error) {
    return String(error);
  }
}

async function main(parts: string[]): Promise<number> {
  const wrongCore = writeWrongCore();
  const chosen = KITS.filter(({ name }) => !parts.length || parts.some((p) => name.includes(p)));
  const failed: string[] = [];
  const absent: string[] = [];
  for (const kit of chosen) {
    const missing = kit.needs.filter((program) => !isThere(program));
    if (missing.length > 0) {
      absent.push(`${kit.name}: no ${missing.join(", ")}. ${kit.install}`);
      continue;
    }
    const from = performance.now();
    const fault = await examine(kit, wrongCore);
    if (fault) failed.push(kit.name);
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    console.log(`${kit.name}: ${fault ? `FAILED, ${fault}` : "ok"} (${seconds} s)`);
  }
  for (const line of absent) console.log(`NOT RUN: ${line}`);
  if (failed.length > 0) console.log(`FAILED: ${failed.join(", ")}`);
  const skipped = absent.length > 0 && Boolean(process.env.CI);
  if (skipped) console.log("With CI set nothing may be left out.");
  return failed.length > 0 || skipped || chosen.length === 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
