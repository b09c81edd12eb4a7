// A node that is there to be killed: loads everything, says so, and starts when it is told the
// configuration file on standard input. Prints what it listens on, or why it does not.
import { createConnector, loadConfig } from "../../build/host/index.js";

process.stdout.write("ready\n");
process.stdin.once("data", (chunk) => {
  const connector = createConnector(loadConfig(chunk.toString().trim()));
  connector.start().then(
    () => process.stdout.write(`${JSON.stringify({ listening: connector.listening })}\n`),
    (error) => process.stdout.write(`${JSON.stringify({ problem: error.message })}\n`),
  );
});
