/* Nothing of it is used: code that wasm2c writes asks for it. */
