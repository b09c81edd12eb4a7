// The tests of the BTP port and of back-pressure once more, with `ws` doing all the framing, as it
// does for cores that read no WebSocket streams.
import { FakeSwitch } from "./btp-support.js";

FakeSwitch.takesStreams = false;
await import("./btp-server.test.js");
await import("./btp-pressure.test.js");
