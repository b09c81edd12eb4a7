#!/usr/bin/env node
// The `ferrule` program: the whole command line in one script, and its compiled code where this
// Node has made it. Without that it takes longer to start and does the same. `npm run build` makes
// both of host/cli/main.ts (host/tools/bundle.mjs).
import path = require("node:path");
import codeCache = require("./code-cache.cjs");

const file = path.join(__dirname, "main.cjs");
codeCache.run(codeCache.compile(file), require);
