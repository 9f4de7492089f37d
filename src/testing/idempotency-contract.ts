import type { IdempotentAnswer, IdempotentRequest } from '../server/sends/idempotency.ts'
import type { ContractTest } from './contract-test.ts'
import { same } from './same.ts'

/** One node that answers requests. */
export interface ContractNode {
  /**
   * `idempotent` with the node's store. Where answers are kept in a transaction of the app, in a transaction that commits
   * when `run` has given an answer.
   */
  readonly answer: (
    request: IdempotentRequest,
    run: () => IdempotentAnswer | Promise<IdempotentAnswer>,
  ) => Promise<IdempotentAnswer>
  readonly close?: (() => unknown) | undefined
}

/** Two nodes that share what they keep, which is empty; of a store for one process, the same node twice. */
export type CreateNodes = () =>
  readonly [ContractNode, ContractNode] | Promise<readonly [ContractNode, ContractNode]>

/**
 * The promises of `IdempotencyStore`, as tests for whichever runner you use.
 *
 * @example
 * describe('my answers', () =>
 *   idempotencyContract(test, () => {
 *     const node = { answer: (request, run) => idempotent(myStore, request, run) }
 *     return [node, node]
 *   }))
 */
export function idempotencyContract(test: ContractTest, createNodes: CreateNodes): void {
  const contract = (name: string, run: (nodes: readonly [ContractNode, ContractNode]) => Promise<void>) =>
    test(name, async () => {
      const nodes = await createNodes()
      try {
        await run(nodes)
      } finally {
        for (const node of new Set(nodes)) await node.close?.()
      }
    })

  contract('gives the same answer to the same key, on either node, and writes once', async ([a, b]) => {
    const write = counted()
    const first = await a.answer(ask(), write.run)
    same(first, { status: 201, headers: { 'X-Count': '1' }, body: { n: 1, text: STRANGE } })
    for (const node of [a, b, a]) same(await node.answer(ask(), write.run), first)
    same(write.count, 1)
  })

  contract('writes once when a key comes many times at once, on both nodes', async ([a, b]) => {
    const write = counted()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? a : b).answer(ask(), write.run)),
    )
    same(write.count, 1)
    same(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1)
  })

  contract('lets others wait while the first is at it', async ([a, b]) => {
    const write = counted()
    let end = () => {}
    const isEnded = new Promise<void>((resolve) => (end = resolve))
    let hasBegun = () => {}
    const begun = new Promise<void>((resolve) => (hasBegun = resolve))
    const first = a.answer(ask(), async () => {
      hasBegun()
      await isEnded
      return write.run()
    })
    await begun
    const others = [a.answer(ask(), write.run), b.answer(ask(), write.run)]
    end()
    const answer = await first
    for (const other of others) same(await other, answer)
    same(write.count, 1)
  })

  contract('refuses a key that comes with another request', async ([a, b]) => {
    const write = counted()
    await a.answer(ask(), write.run)
    same((await b.answer(ask({ fingerprint: 'POST /other' }), write.run)).status, 422)
    same(write.count, 1)
  })

  contract('keeps users and keys apart, whatever they are called', async ([a, b]) => {
    const names = ['a', 'b', 'a","b', '["a"]', '__proto__', '\u{1F600}{x}', 'nul\u0000', ' ', '\\', "'; --"]
    const requests = names.flatMap((key) => names.map((userId) => ask({ key, userId })))
    const write = counted()
    for (const request of requests) await a.answer(request, write.run)
    same(write.count, requests.length)
    for (const [index, request] of requests.entries()) {
      same((await b.answer(request, write.run)).headers, { 'X-Count': String(index + 1) })
    }
    same(write.count, requests.length)
  })

  contract('writes again after a failure, and after an answer from 500', async ([a, b]) => {
    const write = counted()
    const failed = await a
      .answer(ask(), () => Promise.reject(new Error('no luck')))
      .catch((error: unknown) => (error as Error).message)
    same(failed, 'no luck')
    same((await b.answer(ask(), () => ({ status: 503 }))).status, 503)
    same((await a.answer(ask(), write.run)).status, 201)
    same((await b.answer(ask(), write.run)).headers, { 'X-Count': '1' })
  })

  contract('lets one who waits write when the first fails', async ([a, b]) => {
    const write = counted()
    let fail = () => {}
    const isFailed = new Promise<void>((resolve) => (fail = resolve))
    let hasBegun = () => {}
    const begun = new Promise<void>((resolve) => (hasBegun = resolve))
    const first = a
      .answer(ask(), async () => {
        hasBegun()
        await isFailed
        throw new Error('no luck')
      })
      .catch((error: unknown) => (error as Error).message)
    await begun
    const second = b.answer(ask(), write.run)
    fail()
    same(await first, 'no luck')
    same((await second).status, 201)
    same(write.count, 1)
  })
}

/** A text that not every store holds. */
const STRANGE = 'nul\u0000 \u{1F600} \\u0000 "quoted"'

const ask = (change: Partial<IdempotentRequest> = {}): IdempotentRequest => ({
  key: 'key',
  userId: 'ada',
  fingerprint: 'POST /tasks {}',
  ...change,
})

function counted() {
  const write = {
    count: 0,
    run: (): IdempotentAnswer => {
      write.count++
      return {
        status: 201,
        headers: { 'X-Count': String(write.count) },
        body: { n: write.count, text: STRANGE },
      }
    },
  }
  return write
}
