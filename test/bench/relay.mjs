// The floors: relays that pass each message on and do nothing else, written the way one writes them
// with the same libraries. `node relay.mjs <kind> <portA> <portB>`; the n-th connection on one port
// is the partner of the n-th on the other.
//   ws        `ws` receives, `ws` sends
//   ws-cork   the same, with the socket corked until the end of the event loop's turn
//   tcp       a length in front of each message; one write a message
//   tcp-batch the same; one write for all whole messages of a chunk
//   http      node:http receives, undici posts on to portB
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";

const [, , kind, portA, portB] = process.argv;
const host = "127.0.0.1";
const sides = [[], []];

/** Takes the connection of one side; returns a function that gives its partner, once there. */
function join(side, connection) {
  const index = sides[side].push(connection) - 1;
  return () => sides[1 - side][index];
}

async function relayWebSockets(corked) {
  const { WebSocketServer } = await import("ws");
  const binary = { binary: true };
  [portA, portB].forEach((port, side) => {
    const options = { port: Number(port), host, perMessageDeflate: false };
    new WebSocketServer({ ...options, skipUTF8Validation: true }).on("connection", (socket) => {
      const partner = join(side, socket);
      const send = corked ? corkedSender(partner) : (message) => partner().send(message, binary);
      socket.on("message", send);
      socket.on("error", () => {});
    });
  });
}

function corkedSender(partner) {
  let socket = null;
  const flush = () => {
    socket.uncork();
    socket = null;
  };
  return (message) => {
    const to = partner();
    if (!socket) {
      socket = to._socket;
      socket.cork();
      process.nextTick(flush);
    }
    to.send(message, { binary: true });
  };
}

function relayTcp(batched) {
  [portA, portB].forEach((port, side) => {
    const server = createTcpServer({ noDelay: true }, (socket) => {
      const partner = join(side, socket);
      let tail = null;
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        const bytes = tail ? Buffer.concat([tail, chunk]) : chunk;
        let at = 0;
        for (let end = messageEnd(bytes, at); end > 0; end = messageEnd(bytes, at)) {
          if (!batched) partner().write(bytes.subarray(at, end));
          at = end;
        }
        if (batched && at > 0) partner().write(bytes.subarray(0, at));
        tail = at < bytes.length ? bytes.subarray(at) : null;
      });
    });
    server.listen({ port: Number(port), host });
  });
}

function messageEnd(bytes, at) {
  if (at + 4 > bytes.length) return 0;
  const end = at + 4 + bytes.readUInt32BE(at);
  return end > bytes.length ? 0 : end;
}

async function relayHttp() {
  const { Pool } = await import("undici");
  const pool = new Pool(`http://${host}:${portB}`, { connections: 100, pipelining: 1 });
  const type = "application/octet-stream";
  const headers = { "content-type": type };
  const server = createHttpServer({ keepAlive: true }, (request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const answer = await pool.request({ path: "/ilp", method: "POST", headers, body });
      const reply = Buffer.from(await answer.body.arrayBuffer());
      response.writeHead(200, { "Content-Type": type, "Content-Length": reply.length });
      response.end(reply);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(portA), host, 4096);
}

if (kind === "ws" || kind === "ws-cork") await relayWebSockets(kind === "ws-cork");
else if (kind === "tcp" || kind === "tcp-batch") relayTcp(kind === "tcp-batch");
else if (kind === "http") await relayHttp();
else throw new Error(`There is no relay of kind ${kind}.`);
