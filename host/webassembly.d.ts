// The part of the WebAssembly JavaScript interface the host uses; Node's types leave it out.
declare namespace WebAssembly {
  function validate(bytes: ArrayBufferView | ArrayBuffer): boolean;
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
}
