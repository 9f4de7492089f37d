import type { BridgeStatus } from 'realtime-query-bridge'
import { useRealtimeStatus } from 'realtime-query-bridge/react'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { announce } from '../ui/announcer.tsx'

export interface ConnectionWords {
  readonly tone: 'good' | 'busy' | 'bad'
  readonly text: string
  readonly explanation: string
}

/** The connection as people say it, counting down to the next try. */
export function useConnectionWords(): ConnectionWords {
  const status = useRealtimeStatus()
  const { retryAt } = status
  const seconds = useSyncExternalStore(everyQuarterSecond, () =>
    retryAt === undefined ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000)),
  )
  return wordsFor(status, seconds)
}

function everyQuarterSecond(listener: () => void): () => void {
  const timer = setInterval(listener, 250)
  return () => clearInterval(timer)
}

/** @param seconds - until the next try */
function wordsFor({ status, reason, attempt }: BridgeStatus, seconds: number): ConnectionWords {
  switch (status) {
    case 'live':
      return { tone: 'good', text: 'Live', explanation: 'Changes of others show at once.' }
    case 'resyncing':
      return { tone: 'busy', text: 'Catching up', explanation: 'Asking for what was missed.' }
    case 'idle':
    case 'connecting':
    case 'handshaking':
      return {
        tone: 'busy',
        text: attempt > 1 ? 'Reconnecting' : 'Connecting',
        explanation: `Attempt ${attempt}.`,
      }
    case 'waiting':
      return {
        tone: 'busy',
        text: seconds === 0 ? 'Reconnecting' : `Reconnecting in ${seconds} s`,
        explanation: 'You see what was last known. Your own changes are kept and sent.',
      }
    case 'offline':
      return {
        tone: 'bad',
        text: 'Offline',
        explanation: 'The browser has no network. It goes on by itself.',
      }
    case 'closed':
      return reason === 'unauthorized' || reason === 'forbidden'
        ? {
            tone: 'bad',
            text: 'Signed out',
            explanation: 'The server does not know you any more. Pick a person again.',
          }
        : {
            tone: 'bad',
            text: 'Disconnected',
            explanation: 'The connection has ended for good. Reload the page.',
          }
  }
}

/** Says aloud when the connection is lost, and when it is back. */
export function useAnnounceConnection(): void {
  const { status } = useRealtimeStatus()
  const wasLost = useRef(false)
  useEffect(() => {
    if (status === 'live') {
      if (wasLost.current) announce('Live again')
      wasLost.current = false
    } else if (status === 'waiting' || status === 'offline') {
      if (!wasLost.current) announce('Connection lost. Reconnecting')
      wasLost.current = true
    }
  }, [status])
}
