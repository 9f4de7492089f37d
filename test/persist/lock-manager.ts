/** The Web Locks API as the specification has it, for pages that live in one process and can be killed. */
import type { TabLocks } from '../../src/persist/tabs.ts'

interface Request {
  readonly page: object
  readonly name: string
  readonly mode: 'exclusive' | 'shared'
  grant(): void
}

export function createLockManager() {
  let held: Request[] = []
  let queue: Request[] = []

  const isGrantable = (request: Request, waiting: readonly Request[]): boolean => {
    const others = [...held, ...waiting].filter(({ name }) => name === request.name)
    return request.mode === 'shared' ? others.every(({ mode }) => mode === 'shared') : others.length === 0
  }

  const processQueue = () => {
    const waiting: Request[] = []
    for (const request of queue) {
      if (isGrantable(request, waiting)) {
        held.push(request)
        request.grant()
      } else waiting.push(request)
    }
    queue = waiting
  }

  return {
    /** The locks as one page sees them; `kill` takes everything from it, as the browser does. */
    forPage() {
      const page = {}
      let isDead = false
      const locks: TabLocks = {
        request: (name, { mode = 'exclusive', ifAvailable = false, signal }, callback) =>
          new Promise((resolve, reject) => {
            if (isDead) return
            const release = () => {
              held = held.filter((one) => one !== request)
              processQueue()
            }
            const request: Request = {
              page,
              name,
              mode,
              grant: () => {
                queueMicrotask(() => {
                  if (isDead) return
                  Promise.resolve({ name, mode })
                    .then(callback)
                    .finally(() => {
                      if (!isDead) release()
                    })
                    .then(resolve, reject)
                })
              },
            }
            if (signal?.aborted) return reject(signal.reason as Error)
            if (ifAvailable && !isGrantable(request, queue)) {
              Promise.resolve(null).then(callback).then(resolve, reject)
              return
            }
            signal?.addEventListener('abort', () => {
              if (!queue.includes(request)) return
              queue = queue.filter((one) => one !== request)
              reject(signal.reason as Error)
              processQueue()
            })
            queue.push(request)
            processQueue()
          }),
      }
      return {
        locks,
        kill() {
          isDead = true
          held = held.filter((request) => request.page !== page)
          queue = queue.filter((request) => request.page !== page)
          processQueue()
        },
      }
    },
    /** Names of the locks that are held. */
    held: () => held.map(({ name }) => name),
  }
}
