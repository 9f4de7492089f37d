import { describe, expectTypeOf, it } from 'vitest'
import * as devtools from '../../src/devtools/index.ts'
import type * as production from '../../src/devtools/production.ts'
import type { EventTable, RealtimeQueryBridge } from '../../src/index.ts'

declare const bridge: RealtimeQueryBridge<EventTable<{ 'task.saved': { id: string } }>>

describe('the devtools', () => {
  it('take a bridge of any table, or none', () => {
    void (<devtools.RealtimeDevtoolsPanel />)
    void (<devtools.RealtimeDevtoolsPanel bridge={bridge} theme="dark" capacity={100} styleNonce="n" />)
    void (<devtools.RealtimeDevtools bridge={bridge} initialIsOpen side="right" />)
    expectTypeOf(devtools.recordRealtime(bridge, { capacity: 10 })).toEqualTypeOf<() => void>()
    // @ts-expect-error -- no such theme
    void (<devtools.RealtimeDevtoolsPanel theme="blue" />)
  })

  it('tell `redact` what a value is', () => {
    const redact: devtools.Redact = (value, { kind, name }) => {
      expectTypeOf(value).toEqualTypeOf<unknown>()
      expectTypeOf(name).toEqualTypeOf<string | undefined>()
      // @ts-expect-error -- no such kind
      return kind === 'token' ? undefined : value
    }
    void (<devtools.RealtimeDevtoolsPanel bridge={bridge} redact={redact} />)
  })

  it('are the same in production', () => {
    expectTypeOf<typeof devtools.RealtimeDevtoolsPanel>().toEqualTypeOf<
      typeof production.RealtimeDevtoolsPanel
    >()
    expectTypeOf<typeof devtools.recordRealtime>().toEqualTypeOf<typeof production.recordRealtime>()
  })
})
