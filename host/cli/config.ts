// `ferrule config`: the configuration the node runs with, or the reference of all keys. No secrets.
import { renderReference } from "../config/index.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";

interface ConfigAnswer {
  readonly file: string | null;
  readonly toml: string;
  readonly config: object;
}

const config: Command = {
  summary: "Print the running configuration, or every key there is",
  usage: "",
  arity: [0, 0],
  options: {
    reference: { type: "boolean", help: "Print a commented ferrule.toml with every key." },
    ...CLIENT_OPTIONS,
  },
  details: "Tokens are shown as `[redacted]`, or as where they come from.",
  async run(input) {
    const { terminal, values } = input;
    if (values["reference"] === true) {
      const toml = renderReference();
      if (values["json"] === true) terminal.printJson({ toml });
      else terminal.print(toml.trimEnd());
      return Exit.Ok;
    }
    const answer = await ask<ConfigAnswer>(input, "/config");
    if (values["json"] === true) terminal.printJson(answer);
    else terminal.print(answer.toml.trimEnd());
    return Exit.Ok;
  },
};

export default config;
