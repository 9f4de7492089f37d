import type { Clock } from '../../core/clock.ts'

interface Deadline {
  readonly clock: Clock
  readonly limitMs: number
  /** What has not happened in time, and what can be done about it. */
  readonly message: string
}

/** Rejects when the work has not settled in time. What it gives later is of no use to anybody. */
export function inTime<T>(work: PromiseLike<T>, { clock, limitMs, message }: Deadline): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => {
      reject(new Error(message))
    })
    Promise.resolve(work).finally(cancel).then(resolve, reject)
  })
}
