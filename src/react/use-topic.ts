import { useEffect } from 'react'
import { useRealtimeBridge } from './bridge-context.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

export interface UseTopicOptions extends BridgeHookOptions {
  /** False: do not ask for the topic (a hidden panel, say). @default true */
  readonly enabled?: boolean | undefined
}

/**
 * Keeps a topic subscribed while the component is mounted. Queries that name their topics in `meta.topics` do
 * this by themselves; the hook is for topics that no query names.
 */
export function useTopic(topic: string, { enabled = true, bridge }: UseTopicOptions = {}): void {
  const found = useRealtimeBridge(bridge)
  useEffect(() => (enabled ? found.holdTopic(topic) : undefined), [found, topic, enabled])
}
