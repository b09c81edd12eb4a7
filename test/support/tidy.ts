// House rules as functions from a file's text to what is wrong with it, so that each can be shown a
// planted fault. They look at the syntax tree, not at formatting: prettier and eslint have that.
import ts from "typescript";

/** A file as the rules see it: its path from the root, with slashes, and its text. */
export interface Source {
  path: string;
  text: string;
}

const COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 70;
/** Where text may be: the one file of the core that composes sentences. */
const TEXT_FILE = "assembly/text.ts";

const parsed = new WeakMap<Source, ts.SourceFile>();

function parse(source: Source): ts.SourceFile {
  let file = parsed.get(source);
  if (!file) {
    file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.ESNext, true);
    parsed.set(source, file);
  }
  return file;
}

/** Calls `visit` for every node of a file. */
function walk(source: Source, visit: (node: ts.Node) => void): void {
  const step = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, step);
  };
  step(parse(source));
}

function lineOf(source: Source, position: number): number {
  return parse(source).getLineAndCharacterOfPosition(position).line + 1;
}

function at(source: Source, node: ts.Node, what: string): string {
  return `${source.path}:${lineOf(source, node.getStart())}: ${what}`;
}

/** Written by a program, and says so in its header. */
export function isGenerated(source: Source): boolean {
  return source.text.split("\n", 10).join("\n").includes("GENERATED");
}

export function findLongLines(source: Source): string[] {
  if (isGenerated(source)) return [];
  return source.text.split("\n").flatMap((line, i) => {
    const length = [...line].length;
    return length > COLUMNS_MAX ? [`${source.path}:${i + 1}: ${length} columns`] : [];
  });
}

/** Functions of more than 70 lines. `callbacks`: also those handed to another function. */
export function findLongFunctions(source: Source, callbacks = true): string[] {
  if (isGenerated(source)) return [];
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return;
    if (!callbacks && ts.isCallExpression(node.parent)) return;
    const lines = lineOf(source, node.end) - lineOf(source, node.getStart()) + 1;
    if (lines > FUNCTION_LINES_MAX) found.push(at(source, node, `a function of ${lines} lines`));
  });
  return found;
}

export function findMissingHeader(source: Source): string[] {
  return /^(#!.*\n)?\/[/*]/.test(source.text) ? [] : [`${source.path}:1: no header comment`];
}

/** Marks of unfinished work. */
export function findUnfinished(source: Source): string[] {
  return source.text.split("\n").flatMap((line, i) => {
    const mark = /\b(TO)DO\b|\b(FIX)ME\b|\b(X)XX\b/.exec(line);
    return mark ? [`${source.path}:${i + 1}: ${mark[0]}`] : [];
  });
}

export function findAny(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(at(source, node, "any"));
  });
  return found;
}

/** Is this node inside the arguments of a call to one of these functions? */
function isArgumentOf(node: ts.Node, names: string[]): boolean {
  for (let up: ts.Node | undefined = node.parent; up; up = up.parent) {
    if (ts.isCallExpression(up) && names.includes(up.expression.getText())) return true;
    if (ts.isStatement(up)) return false;
  }
  return false;
}

const ALLOCATED = ["Array", "StaticArray", "Map", "Set", "ArrayBuffer", "DataView", "String"];

function isAllocatedType(name: string): boolean {
  return ALLOCATED.includes(name) || /^(Ui|I)nt\d+(Clamped)?Array$/.test(name);
}

/** Objects, arrays, closures, exceptions and classes with a header: what needs an allocator. */
export function findAllocation(source: Source): string[] {
  const found: string[] = [];
  const say = (node: ts.Node, what: string): number => found.push(at(source, node, what));
  walk(source, (node) => {
    if (ts.isNewExpression(node)) say(node, "new");
    if (ts.isArrayLiteralExpression(node) && !isArgumentOf(node, ["memory.data"]))
      say(node, "array");
    if (ts.isArrayTypeNode(node)) say(node, "array type");
    if (ts.isTypeReferenceNode(node) && isAllocatedType(node.typeName.getText())) {
      say(node, `type ${node.typeName.getText()}`);
    }
    if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) say(node, "closure");
    if (ts.isThrowStatement(node) || ts.isTryStatement(node)) say(node, "exception");
    if (ts.isTemplateExpression(node)) say(node, "template");
    if (ts.isClassDeclaration(node) && !/^(\/\/.*\s+)*@unmanaged\b/.test(node.getText())) {
      say(node, "class that is not @unmanaged");
    }
  });
  return found;
}

const COMPILE_TIME = ["memory.data", "ERROR", "WARNING", "INFO", "offsetof"];

/** Text outside text.ts, except what the compiler consumes. */
export function findText(source: Source): string[] {
  if (source.path === TEXT_FILE) return [];
  const found: string[] = [];
  walk(source, (node) => {
    if (node.kind === ts.SyntaxKind.StringKeyword) found.push(at(source, node, "type string"));
    if (!ts.isStringLiteralLike(node)) return;
    if (ts.isImportDeclaration(node.parent) || ts.isExportDeclaration(node.parent)) return;
    if (!isArgumentOf(node, COMPILE_TIME)) found.push(at(source, node, node.getText()));
  });
  return found;
}

/** Variables of a module: they become wasm globals, which a snapshot of memory misses. */
export function findGlobals(source: Source): string[] {
  return parse(source).statements.flatMap((statement) =>
    ts.isVariableStatement(statement) && !(statement.declarationList.flags & ts.NodeFlags.Const)
      ? [at(source, statement, "module-level variable")]
      : [],
  );
}

export function findFloats(source: Source): string[] {
  const names = /^(f32|f64|f32x4|f64x2|Math|Mathf|NativeMath|NativeMathf|parseFloat)$/;
  const found: string[] = [];
  walk(source, (node) => {
    const name = ts.isIdentifier(node) && names.test(node.text);
    const number = ts.isNumericLiteral(node) && /^[^x]*[.e]/i.test(node.getText());
    if (name || number || node.kind === ts.SyntaxKind.NumberKeyword) {
      found.push(at(source, node, node.getText()));
    }
  });
  return found;
}

/** Imports against the direction of the layers: wire knows bytes only, ledger no packet's bytes. */
const LAYERS: [folder: string, never: RegExp][] = [
  ["assembly/wire/", /^assembly\/(ledger|route|flight|flow|journal)\//],
  ["assembly/hash/", /^assembly\/(wire|ledger|route|flight|flow|journal)\//],
  ["assembly/ledger/", /^assembly\/(wire|flow|journal)\//],
  ["assembly/route/", /^assembly\/(ledger|flight|flow|journal)\//],
  ["assembly/flight/", /^assembly\/(flow|journal)\//],
];

/** The path from the root that an import names, without its ending. */
function resolveImport(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.replace(/\.(js|ts)$/, "").split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

interface Import {
  node: ts.ImportDeclaration | ts.ExportDeclaration;
  /** Path from the root without its ending. */
  path: string;
}

function importsOf(source: Source): Import[] {
  return parse(source).statements.flatMap((node) => {
    if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return [];
    const specifier = node.moduleSpecifier;
    if (!specifier || !ts.isStringLiteral(specifier)) return [];
    return [{ node, path: resolveImport(source.path, specifier.text) }];
  });
}

export function findLayering(source: Source): string[] {
  const rules = LAYERS.filter(([folder]) => source.path.startsWith(folder));
  return importsOf(source).flatMap(({ node, path }) =>
    rules.some(([, never]) => never.test(path)) ? [at(source, node, `imports ${path}`)] : [],
  );
}

/**
 * Names that a file exports by declaring them and that another file must use: functions always, a
 * constant or type only if its own file does not use it either.
 */
function exportsOf(source: Source): string[] {
  const names = declaredExports(source);
  return names.filter((name) => {
    if (new RegExp(`^export function ${name}\\b`, "m").test(source.text)) return true;
    return source.text.match(new RegExp(`\\b${name}\\b`, "g"))!.length === 1;
  });
}

function declaredExports(source: Source): string[] {
  return parse(source).statements.flatMap((node) => {
    const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
    if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(node)) {
      return node.declarationList.declarations.map(({ name }) => name.getText());
    }
    const { name } = node as ts.DeclarationStatement;
    return name ? [name.getText()] : [];
  });
}

/** Adds to `used` what this file takes from others, as "path#name"; "path#*" is all of it. */
function collectUses(source: Source, used: Set<string>): void {
  for (const { node, path } of importsOf(source)) {
    if (ts.isExportDeclaration(node)) {
      const clause = node.exportClause;
      if (clause && ts.isNamedExports(clause)) {
        for (const { name, propertyName } of clause.elements) {
          used.add(`${path}#${(propertyName ?? name).text}`);
        }
      } else used.add(`${path}#*`);
      continue;
    }
    const bindings = node.importClause?.namedBindings;
    if (bindings && ts.isNamedImports(bindings)) {
      for (const { name, propertyName } of bindings.elements) {
        used.add(`${path}#${(propertyName ?? name).text}`);
      }
    } else if (bindings) {
      const member = new RegExp(`\\b${bindings.name.text}\\.(\\w+)`, "g");
      for (const [, name] of source.text.matchAll(member)) used.add(`${path}#${name!}`);
    }
  }
}

/**
 * Exports of `sources` that nothing in `sources` or `users` imports. Not asked of index.ts, whose
 * exports are the ABI, nor of abi.ts, the vocabulary that host and headers are generated from.
 */
export function findUnusedExports(sources: Source[], users: Source[]): string[] {
  const used = new Set<string>();
  for (const source of [...sources, ...users]) collectUses(source, used);
  const asked = sources.filter(({ path }) => !/^assembly\/(index|abi)\.ts$/.test(path));
  return asked.flatMap((source) => {
    const module = source.path.replace(/\.ts$/, "");
    if (used.has(`${module}#*`)) return [];
    const unused = exportsOf(source).filter((name) => !used.has(`${module}#${name}`));
    return unused.map((name) => `${source.path}: nothing uses ${name}`);
  });
}

const TOP_LEVEL = [
  ...["package.json", "package-lock.json", "asconfig.json", "README.md", "LICENSE"],
  ...["assembly", "host", "test", "boards"],
];

/** Files and folders that do not belong at the top; dotfiles do. */
export function findStrayTopLevel(paths: string[]): string[] {
  const top = new Set(paths.map((path) => path.split("/")[0]!));
  return [...top].filter((name) => !TOP_LEVEL.includes(name) && !name.startsWith("."));
}

/** Relative links of a Markdown file that lead nowhere. `exists` takes paths from the root. */
export function findBrokenLinks(source: Source, exists: (path: string) => boolean): string[] {
  const prose = source.text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  const links = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(
    ([, link]) => link!,
  );
  return links
    .filter((link) => !/^([a-z][a-z+.-]*:|#)/i.test(link))
    .filter((link) => {
      const path = decodeURI(link.replace(/[#?].*$/, "")).replace(/\/$/, "");
      return !exists(path.startsWith("/") ? path.slice(1) : resolveLink(source.path, path));
    })
    .map((link) => `${source.path}: ${link} does not exist`);
}

function resolveLink(from: string, link: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of link.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/**
 * What only one machine or one network has: somebody's folders, package registries. The users
 * `operator` and `pi` are examples in tests and images.
 */
const MACHINE = [
  /(?<![\w.~$}\])-])\/(?:work|root|home\/(?!operator|pi)\w+|Users\/\w+|workspace)\//,
  /[A-Za-z]:\\{1,2}Users\\/,
  /\b(?:registry\.(?:npmjs|yarnpkg|npmmirror)|npm\.pkg\.github)\b/i,
  /\b(?:artifactor[y]|verdacci[o]|jfro[g])\b/i,
  /^(?:@[\w-]+:)?registry\s*=/,
];

export function findMachineNames(source: Source): string[] {
  return source.text.split("\n").flatMap((line, i) => {
    const match = MACHINE.map((pattern) => pattern.exec(line)).find((found) => found);
    return match ? [`${source.path}:${i + 1}: ${match[0]}`] : [];
  });
}
