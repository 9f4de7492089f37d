/** What a test runner offers: `test` or `it` of Vitest, Jest or `node:test`. */
export type ContractTest = (name: string, run: () => Promise<void>) => unknown
