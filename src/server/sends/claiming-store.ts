/**
 * An idempotency store that many nodes share, over whatever keeps its rows: claims have names, so that a node which was
 * away for too long does not speak for the one that has taken over, and are renewed for as long as their node lives.
 */
import type { Clock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import type { IdempotencyStore } from './idempotency.ts'

/** A row that is there already. */
export interface KnownAnswer {
  readonly fingerprint: string
  /** Absent while somebody is at it. */
  readonly answer: string | undefined
}

/** Each call is one step, whoever else calls. */
export interface AnswerTable {
  /** Takes the row for a while, unless it is there. */
  claim(id: string, claim: { fingerprint: string; name: string }): Promise<'claimed' | KnownAnswer>
  renew(id: string, name: string): Promise<unknown>
  /** `false`: the claim has lapsed, and somebody else has the row. */
  complete(id: string, claim: { fingerprint: string; name: string }, answer: string): Promise<boolean>
  release(id: string, name: string): Promise<unknown>
}

export interface ClaimingStoreOptions {
  readonly clock: Clock
  readonly claimMs: number
  readonly newId: () => string
}

/** How often a busy key is looked at again. */
export const LOOK_MS = 50

export function claimingStore(
  table: AnswerTable,
  { clock, claimMs, newId }: ClaimingStoreOptions,
): IdempotencyStore & { close(): void } {
  /** What this node is at, and what stops the renewing. */
  const running = new Map<string, { fingerprint: string; name: string; stop: () => void }>()

  function take(id: string): { fingerprint: string; name: string } | undefined {
    const claim = running.get(id)
    running.delete(id)
    claim?.stop()
    return claim
  }

  function renewLater(id: string, name: string): () => void {
    let isStopped = false
    let cancel = () => {}
    const wait = () => {
      cancel = clock.after(claimMs / 3, () => {
        // A failure is made up for by the next one, or seen by `complete`.
        void table
          .renew(id, name)
          .catch(() => undefined)
          .finally(() => {
            if (!isStopped) wait()
          })
      })
    }
    wait()
    return () => {
      isStopped = true
      cancel()
    }
  }

  return {
    async claim(id, fingerprint) {
      const name = newId()
      const known = await table.claim(id, { fingerprint, name })
      if (known === 'claimed') {
        take(id)
        running.set(id, { fingerprint, name, stop: renewLater(id, name) })
        return { state: 'claimed' }
      }
      if (known.answer !== undefined) return { state: 'done', ...known, answer: known.answer }
      const settled = new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
      return { state: 'busy', fingerprint: known.fingerprint, settled }
    },
    async complete(id, answer) {
      const claim = take(id)
      if (claim && (await table.complete(id, claim, answer))) return
      const message =
        'A write took so long that its claim lapsed, and another node has it now. Its answer is not kept: repeat the request.'
      throw new RealtimeError('callback-failed', message)
    },
    async release(id) {
      const claim = take(id)
      if (claim) await table.release(id, claim.name)
    },
    close() {
      for (const id of [...running.keys()]) take(id)
    },
  }
}
