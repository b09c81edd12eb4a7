// ESLint: type-aware rules for the host and the tests, and for the core the subset of
// AssemblyScript that needs no allocator: no objects, arrays, templates, closures, exceptions or
// mutable globals.
import tseslint from "typescript-eslint";

const say = (selector, message) => ({ selector, message });

const memoryData = "CallExpression[callee.object.name='memory'][callee.property.name='data']";

/** Syntax that would bring in the allocator, a mutable global, a trap or a float. */
const coreSyntax = [
  say("NewExpression", "The core allocates nothing."),
  say(
    `:not(${memoryData}) > ArrayExpression`,
    "Arrays allocate; static bytes are memory.data<u8>([...]).",
  ),
  say("TemplateLiteral", "Strings are built as bytes, in text.ts."),
  say("ArrowFunctionExpression", "AssemblyScript has no closures; write a function."),
  say(":not(MethodDefinition) > FunctionExpression", "AssemblyScript has no closures."),
  say("MethodDefinition", "Records are layouts; behaviour is free functions on pointers."),
  say("TryStatement", "There are no exceptions; return a status."),
  say("ThrowStatement", "A throw is a trap, and the core never traps; return a status."),
  say("Program > VariableDeclaration[kind='let']", "State lives in linear memory, not in globals."),
  say("ExportNamedDeclaration > VariableDeclaration[kind='let']", "State lives in linear memory."),
  say("VariableDeclaration[kind='var']", "Use const or let."),
  say(
    "ClassDeclaration:not([decorators.0.expression.name='unmanaged'])",
    "Only @unmanaged classes: others are allocated.",
  ),
  say("WhileStatement[test.value=true]", "Every loop has a bound."),
  say("DoWhileStatement[test.value=true]", "Every loop has a bound."),
  say("ForStatement[test=null]", "Every loop has a bound."),
  say("TSTypeReference[typeName.name=/^f(32|64)$/]", "No floating point in the core."),
  say("Identifier[name=/^(Math|NativeMath|parseFloat)$/]", "No floating point in the core."),
];

const unused = {
  args: "all",
  argsIgnorePattern: "^_",
  varsIgnorePattern: "^_",
  caughtErrors: "all",
  caughtErrorsIgnorePattern: "^_",
};

const common = {
  "@typescript-eslint/no-unused-vars": ["error", unused],
  eqeqeq: "error",
  "no-var": "error",
  "prefer-const": "error",
  "no-debugger": "error",
};

const testFunctions = [
  "test",
  "it",
  "describe",
  "suite",
  "before",
  "after",
  "beforeEach",
  "afterEach",
];

export default tseslint.config(
  { ignores: ["node_modules/", "build/", "boards/**/build/", "assembly/hash/sha256-*.ts"] },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-unused-vars": "error",
    },
  },
  {
    files: ["host/**/*.{ts,cts}", "test/**/*.ts"],
    ignores: ["test/probe/**"],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      ...common,
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: testFunctions }],
        },
      ],
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "no-eval": "error",
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-fallthrough": "error",
      "no-self-compare": "error",
      "no-unsafe-finally": "error",
      "no-dupe-keys": "error",
      "no-unreachable": "error",
    },
  },
  {
    // The tests index vectors and tables freely; the host must say what a missing element means.
    files: ["host/**/*.{ts,cts}"],
    extends: [tseslint.configs.base],
    rules: { "@typescript-eslint/no-unnecessary-type-assertion": "error" },
  },
  {
    files: ["assembly/**/*.ts", "test/probe/**/*.ts"],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { allowInvalidAST: true } },
    rules: {
      ...common,
      // `==` is what AssemblyScript compares numbers with; it has no loose equality.
      eqeqeq: "off",
      "no-restricted-syntax": ["error", ...coreSyntax],
    },
  },
);
