import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser, pass, type Page } from './support.ts'

type Command =
  | { readonly kind: 'open' | 'offline' | 'online' | 'mute' | 'speak' | 'break' }
  | { readonly kind: 'kill' | 'reload' | 'create' | 'grow' | 'discard'; readonly page: number }
  | { readonly kind: 'rename'; readonly page: number; readonly row: number }
  | { readonly kind: 'pass'; readonly ms: number }

const page = fc.nat(3)
const of = <TKind extends string>(...kinds: TKind[]) => fc.constantFrom(...kinds)

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: of('open', 'mute', 'speak', 'break') }) },
  { weight: 2, arbitrary: fc.record({ kind: of('offline', 'online') }) },
  { weight: 2, arbitrary: fc.record({ kind: of('kill', 'reload', 'discard'), page }) },
  { weight: 3, arbitrary: fc.record({ kind: of('create', 'grow'), page }) },
  { weight: 3, arbitrary: fc.record({ kind: of('rename'), page, row: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: of('pass'), ms: fc.constantFrom(0, 1, 100, 1_500) }) },
)

/** What somebody has done on a page. */
interface Deed {
  readonly tag: string
  readonly mutationId: string
  readonly kind: 'create' | 'rename' | 'grow'
  readonly page: string
}

async function run(commands: readonly Command[]): Promise<void> {
  const browser = createBrowser()
  const { server } = browser
  const deeds: Deed[] = []
  const discarded = new Set<string>()
  const pages: Page[] = []
  const alive = () => pages.filter((one) => !one.isDead())
  let tags = 0
  const open = async () => {
    const opened = browser.openPage()
    pages.push(opened)
    await opened.offline.restored
    opened.show()
    await pass()
    return opened
  }
  const pick = (index: number) => alive()[index % Math.max(1, alive().length)]
  const act = async (actor: Page, kind: Deed['kind'], begin: (tag: string) => Promise<unknown>) => {
    const tag = `t${++tags}`
    void begin(tag)
    deeds.push({ tag, mutationId: actor.pending().at(-1)!, kind, page: actor.name })
    await actor.offline.flush()
  }

  try {
    server.rows.push({ id: 'row-0', title: 'old' })
    await open()
    for (const step of commands) {
      if (step.kind === 'open' && alive().length < 4) await open()
      else if (step.kind === 'offline') browser.goOffline()
      else if (step.kind === 'online') browser.goOnline()
      else if (step.kind === 'mute' || step.kind === 'speak') server.isMute = step.kind === 'mute'
      else if (step.kind === 'break') server.breaks = 1
      else if (step.kind === 'pass') await pass(step.ms)
      else if ('page' in step) {
        const actor = pick(step.page)
        if (actor === undefined) continue
        if (step.kind === 'rename') {
          const rows = actor.rows() ?? []
          const row = rows[step.row % Math.max(1, rows.length)]
          if (row) await act(actor, 'rename', (tag) => actor.rename(row.id, tag))
        } else if (step.kind === 'kill') actor.kill()
        else if (step.kind === 'reload') {
          actor.kill()
          await open()
        } else if (step.kind === 'create') await act(actor, 'create', (tag) => actor.create(tag))
        else if (step.kind === 'grow') await act(actor, 'grow', (tag) => actor.grow({ tag }))
        else if (step.kind === 'discard') {
          // One that was never sent, and that nothing depends on.
          const last = actor.bridge.pendingMutations().at(-1)
          if (last?.status !== 'queued') continue
          if (server.received.some(({ mutationId }) => mutationId === last.mutationId)) continue
          discarded.add(last.mutationId)
          last.discard()
          await actor.offline.flush()
        }
      }
    }

    // Everything dies, and one page is left with what they have stored.
    for (const one of alive()) one.kill()
    server.isMute = false
    server.breaks = 0
    browser.goOnline()
    const last = await open()
    await pass(60_000)

    const tagsOf = (mutationId: string) => deeds.find((deed) => deed.mutationId === mutationId)?.tag
    const done = deeds.filter(({ mutationId }) => !discarded.has(mutationId))
    // Each is carried out once, under the one id that it got.
    expect([...server.applied].sort()).toEqual(done.map(({ mutationId }) => mutationId).sort())
    const sent = new Map<string, Set<unknown>>()
    for (const { mutationId, variables } of server.received) {
      const { title, tag } = variables as { title?: string; tag?: string }
      sent.set(mutationId, (sent.get(mutationId) ?? new Set()).add(title ?? tag))
    }
    for (const [mutationId, seen] of sent) expect([...seen]).toEqual([tagsOf(mutationId)])
    // No page sends what another one has sent that lives.
    expect(server.received.filter(({ alsoBy }) => alsoBy !== undefined)).toEqual([])
    // Those of one page and one scope are carried out in their order.
    for (const { name } of pages) {
      const renames = done.filter((deed) => deed.page === name && deed.kind === 'rename')
      const order = server.applied.filter((id) => renames.some(({ mutationId }) => mutationId === id))
      expect(order).toEqual(renames.map(({ mutationId }) => mutationId))
    }
    expect(last.rows()).toEqual(server.rows)
    expect(last.count()).toBe(server.count)
    expect(server.count).toBe(done.filter(({ kind }) => kind === 'grow').length)
    expect(last.pending()).toEqual([])
    expect(browser.stored()).toEqual([])
    expect(pages.flatMap((one) => one.errors)).toEqual([])
    expect(pages.flatMap((one) => one.givenUp)).toEqual([])
  } finally {
    browser.close()
  }
}

describe('histories of tabs that come, go and crash, on and off line', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('carry out each mutation once, in order, and end as the server is', async () => {
    await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 40 }), run), {
      numRuns: Number(process.env['RUNS'] ?? 300),
    })
  })
})
