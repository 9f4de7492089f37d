'use client'

/** The devtools in every build. `./devtools` gives them in development alone. */
import type { RealtimeQueryBridge } from '../bridge.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { recorderOf, type RecorderOptions } from './recorder.ts'

export { RealtimeDevtools, type RealtimeDevtoolsProps } from './floating.tsx'
export { RealtimeDevtoolsPanel, type RealtimeDevtoolsPanelProps } from './panel.tsx'
export type { RecorderOptions } from './recorder.ts'
export type { Redact, RedactContext } from './redact.ts'

/**
 * Begins to record before a panel is on screen: beside the bridge, say, so that its first events are there when somebody
 * opens the panel. Gives what ends it, and forgets what was recorded.
 */
export function recordRealtime<TTable extends EventTable>(
  bridge: RealtimeQueryBridge<TTable>,
  options?: RecorderOptions,
): () => void {
  const recorder = recorderOf(bridge, options)
  return () => {
    recorder.stop()
  }
}
