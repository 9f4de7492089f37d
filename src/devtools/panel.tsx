import { useContext, useState, type ReactNode } from 'react'
import type { RealtimeQueryBridge } from '../bridge.ts'
import type { EventTable, RegisteredTable } from '../core/routing/event-table.ts'
import { BridgeContext } from '../react/bridge-context.ts'
import { LogTab } from './log-tab.tsx'
import { MutationsTab } from './mutations-tab.tsx'
import { QueriesTab } from './queries-tab.tsx'
import { recorderOf, type AnyBridge, type Recorder, type RecorderOptions } from './recorder.ts'
import { StatusLine } from './status-line.tsx'
import { CSS } from './styles.ts'
import { Tabs, type Tab } from './tabs.tsx'
import { TopicsTab } from './topics-tab.tsx'
import { useFrames } from './use-frames.ts'

export interface RealtimeDevtoolsPanelProps<
  TTable extends EventTable = RegisteredTable,
> extends RecorderOptions {
  /** @default the one of the nearest `RealtimeQueryProvider` */
  readonly bridge?: RealtimeQueryBridge<TTable> | undefined
  /** @default 'system', as the browser prefers */
  readonly theme?: 'light' | 'dark' | 'system' | undefined
  /** For a Content-Security-Policy that asks for it: the nonce of the panel's style element. */
  readonly styleNonce?: string | undefined
}

/**
 * What a bridge hears, does and knows: events with their effects, topics, queries, mutations and errors. It fills the
 * element that it is in. It records from its first render on; `recordRealtime` begins earlier.
 */
export function RealtimeDevtoolsPanel<TTable extends EventTable = RegisteredTable>({
  bridge,
  theme = 'system',
  styleNonce,
  ...options
}: RealtimeDevtoolsPanelProps<TTable>): ReactNode {
  const nearest = useContext(BridgeContext)
  const found = (bridge as AnyBridge | undefined) ?? nearest
  // In the first render, and so before a provider around it starts the bridge.
  const recorder = found && recorderOf(found, options)
  return (
    <section className="rqbd" data-theme={theme} aria-label="Realtime devtools">
      <style nonce={styleNonce}>{CSS}</style>
      {recorder ? (
        // Another bridge, another recording: nothing of what is picked is in it.
        <Sections key={recorder.id} recorder={recorder} />
      ) : (
        <div className="rqbd-empty">
          No bridge here. Render it inside RealtimeQueryProvider, or pass it: {'bridge={bridge}'}.
        </div>
      )}
    </section>
  )
}

type Section = 'events' | 'topics' | 'queries' | 'mutations' | 'errors'

function Sections({ recorder }: { readonly recorder: Recorder }) {
  const { bridge } = recorder
  const [section, setSection] = useState<Section>('events')
  const version = useFrames(() => [
    (listener) => recorder.subscribe(listener),
    (listener) => bridge.queryClient.getQueryCache().subscribe(listener),
  ])
  const tabs: Tab<Section>[] = [
    { name: 'events', label: 'Events' },
    { name: 'topics', label: 'Topics', count: bridge.interest.wanted().size },
    { name: 'queries', label: 'Queries', count: bridge.queryClient.getQueryCache().getAll().length },
    { name: 'mutations', label: 'Mutations', count: bridge.pendingMutations().length },
    {
      name: 'errors',
      label: 'Errors',
      count: recorder.entries.filter(({ kind }) => kind === 'error' || kind === 'refused').length,
      isAlarming: true,
    },
  ]
  return (
    <>
      <StatusLine recorder={recorder} />
      <Tabs label="Realtime" tabs={tabs} selected={section} select={setSection}>
        {section === 'events' && <LogTab key="events" recorder={recorder} />}
        {section === 'errors' && <LogTab key="errors" recorder={recorder} errorsOnly />}
        {section === 'topics' && <TopicsTab recorder={recorder} />}
        {section === 'queries' && <QueriesTab recorder={recorder} version={version} />}
        {section === 'mutations' && <MutationsTab recorder={recorder} />}
      </Tabs>
    </>
  )
}
