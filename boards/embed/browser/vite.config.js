// The core's file is found through import.meta.url, which pre-bundling would move.
export default { optimizeDeps: { exclude: ["ferrule"] } };
