// `ferrule version`: which program, which core.
import { createHash } from "node:crypto";
import { ABI_VERSION } from "../abi.js";
import { readVersion } from "../report.js";
import { readCoreWasm } from "../wasm.js";
import { Exit, type Command } from "./command.js";

const version: Command = {
  summary: "Print the version, and the checksum of the core",
  usage: "",
  arity: [0, 0],
  options: {},
  run({ values, terminal }) {
    const wasm = readCoreWasm();
    const about = {
      version: readVersion(),
      coreSha256: createHash("sha256").update(wasm).digest("hex"),
      coreBytes: wasm.length,
      abi: ABI_VERSION,
      node: process.version,
    };
    if (values["json"] === true) terminal.printJson(about);
    else {
      terminal.print(`ferrule ${about.version}`);
      terminal.print(`core    ${about.coreSha256} (${about.coreBytes} bytes, ABI ${about.abi})`);
      terminal.print(`node    ${about.node}`);
    }
    return Promise.resolve(Exit.Ok);
  },
};

export default version;
