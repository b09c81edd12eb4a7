// The part of the WebAssembly JavaScript interface the host uses; Node's types leave it out.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
}
