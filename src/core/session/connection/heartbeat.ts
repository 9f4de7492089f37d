import type { Transport } from '../../transport.ts'

/** The usual idle limit of proxies is 30 to 60 s. */
const INTERVAL_MS = 25_000
const TIMEOUT_MS = 5_000

/** When the session pings over a transport, or `undefined` when it does not: nothing would answer. */
export function heartbeatOf({
  heartbeat,
  decode,
  mode,
}: Transport): { intervalMs: number; timeoutMs: number } | undefined {
  if (heartbeat === false) return undefined
  // A plain backend answers what the app says it answers; a managed source has a heartbeat of its own.
  const canPing = decode ? heartbeat?.ping : (heartbeat ?? mode === 'dialled')
  if (!canPing) return undefined
  return { intervalMs: heartbeat?.intervalMs ?? INTERVAL_MS, timeoutMs: heartbeat?.timeoutMs ?? TIMEOUT_MS }
}
