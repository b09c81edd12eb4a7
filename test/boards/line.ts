// TCP in the place of serial lines: what one end says comes out at the other.
import { createServer, type AddressInfo, type Socket } from "node:net";

/** A line between two ends that dial `url`. */
export class Line {
  readonly url: string;
  readonly #close: () => void;
  /** Bytes that a test puts between. */
  readonly inject: (noise: Buffer) => void;

  private constructor(url: string, inject: (noise: Buffer) => void, close: () => void) {
    this.url = url;
    this.inject = inject;
    this.#close = close;
  }

  static async open(at = 0): Promise<Line> {
    const ends = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      ends.add(socket);
      socket.on("close", () => ends.delete(socket));
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk) => {
        for (const end of ends) if (end !== socket) end.write(chunk);
      });
    });
    await new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const inject = (noise: Buffer): void => {
      for (const end of ends) end.write(noise);
    };
    return new Line(`tcp://127.0.0.1:${port}`, inject, () => {
      for (const end of ends) end.destroy();
      server.close();
    });
  }

  close(): void {
    this.#close();
  }
}
