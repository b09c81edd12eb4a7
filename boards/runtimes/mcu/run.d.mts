// Types of run.mjs.
export function build(name: string, verbs: { name: string; argumentCount: number }[]): void;
