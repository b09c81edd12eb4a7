// A Ferrule in a process of its own, for tests that kill it: `ferrule-process.ts <file.toml>`.
// Prints one line when it has started: what it listens on, or the sentence why it does not. SIGTERM
// stops the connector; the process must then end by itself.
import { loadConfig } from "../../host/config/index.js";
import { createConnector } from "../../host/connector.js";

try {
  const connector = createConnector(loadConfig(process.argv[2]!));
  process.once("SIGTERM", () => void connector.stop());
  await connector.start();
  console.log(JSON.stringify({ listening: connector.listening }));
} catch (error) {
  console.log(JSON.stringify({ problem: (error as Error).message }));
  process.exitCode = 1;
}
