/** The page of `streaming.test.ts`, as the server renders it and as the browser hydrates it. */
import { hashKey, hydrate, QueryClient, type DehydratedState, type QueryFunction } from '@tanstack/query-core'
import { QueryClientProvider, useSuspenseQuery } from '@tanstack/react-query'
import { Suspense, type ReactNode } from 'react'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../../src/bridge.ts'
import type { PositionSource } from '../../../src/core/cache/positions/position-source.ts'
import { upsert } from '../../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../../src/core/routing/event-table.ts'
import type { Transport } from '../../../src/core/transport.ts'
import { positioned } from '../../../src/features.ts'
import { dehydrateWithPositions } from '../../../src/persist/index.ts'
import { RealtimeQueryProvider, useRealtimeBridge } from '../../../src/react/index.ts'

export interface Row {
  readonly id: number
  readonly title: string
}

/** The REST API, as each side reaches it. */
export type ReadRows = (list: string) => Promise<{ rows: readonly Row[]; source: PositionSource }>

const Saved = z.object({ list: z.string(), row: z.object({ id: z.number(), title: z.string() }) })

interface RowsOptions {
  readonly queryKey: readonly string[]
  readonly meta: { topics: string[] }
  readonly queryFn: QueryFunction<readonly Row[], readonly string[]>
}

export function createApp(transport: Transport, read: ReadRows) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: 60_000 } } })
  const bridge = new RealtimeQueryBridge({
    queryClient,
    events: defineEvents({
      'row.saved': on(Saved, ({ list, row }) => upsert(['rows', list], row)),
    }),
    transport,
  })
  const rowsOf = (list: string): RowsOptions => ({
    queryKey: ['rows', list],
    meta: { topics: [`list:${list}`] },
    queryFn: positioned(bridge, async ({ received }) => {
      const { rows, source } = await read(list)
      received(source)
      return rows
    }),
  })
  const page = (
    <QueryClientProvider client={queryClient}>
      <RealtimeQueryProvider bridge={bridge}>
        {/* An element: React holds back boundaries that might still bring a whole document. */}
        <main>
          {['a', 'b'].map((list) => (
            <Suspense key={list} fallback={<p>{list} is loading</p>}>
              <Rows {...rowsOf(list)} />
            </Suspense>
          ))}
        </main>
      </RealtimeQueryProvider>
    </QueryClientProvider>
  )
  return { queryClient, bridge, page }
}

function Rows(options: RowsOptions): ReactNode {
  const { data } = useSuspenseQuery(options)
  return (
    <>
      <ul id={`rows-${options.queryKey.at(-1)}`}>
        {data.map(({ id, title }) => (
          <li key={id}>{title}</li>
        ))}
      </ul>
      <StreamedState queryKey={options.queryKey} />
    </>
  )
}

/** What the page of a server calls with each state that comes; those before the app has begun wait in a list. */
interface StreamedStates {
  push(state: DehydratedState): unknown
}

declare global {
  var streamedStates: StreamedStates | undefined
}

/** The state of a query, in the stream beside what it renders: it is there before React hydrates that. */
function StreamedState({ queryKey }: { queryKey: readonly unknown[] }): ReactNode {
  const bridge = useRealtimeBridge()
  const scriptOf = () => {
    const state = dehydrateWithPositions(bridge, {
      shouldDehydrateQuery: ({ queryHash }) => queryHash === hashKey(queryKey),
    })
    // Escaped, so that no "</script>" in the data ends it.
    return `(self.streamedStates ??= []).push(${JSON.stringify(state).replaceAll('<', '\\u003c')})`
  }
  // The browser takes it as it is there.
  const __html = typeof window === 'undefined' ? scriptOf() : ''
  return <script suppressHydrationWarning dangerouslySetInnerHTML={{ __html }} />
}

/** Takes what has come, and what comes from now on. */
export function hydrateStream(queryClient: QueryClient): void {
  const waiting = (globalThis.streamedStates ?? []) as DehydratedState[]
  globalThis.streamedStates = {
    push: (state) => {
      hydrate(queryClient, state)
    },
  }
  for (const state of waiting) hydrate(queryClient, state)
}
