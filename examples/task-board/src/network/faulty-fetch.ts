import { faults, takeFault } from './faults.ts'

/** `fetch` with the faults of the network panel: late, refused, or answered into the void. */
export async function faultyFetch(url: string, init: RequestInit): Promise<Response> {
  const isWrite = init.method !== 'GET' && init.method !== undefined
  await delay(faults.get().latencyMs / 2, init.signal)
  if (isWrite && takeFault('failWrites')) {
    const message = 'The network panel made it fail.'
    return Response.json({ error: { code: 'made-to-fail', message } }, { status: 409 })
  }
  const response = await fetch(url, init)
  if (isWrite && takeFault('loseAnswers')) throw new TypeError('The answer was lost (by the network panel)')
  await delay(faults.get().latencyMs / 2, init.signal)
  return response
}

function delay(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  if (ms === 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    })
  })
}
