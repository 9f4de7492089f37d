import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'

/** What an app ships that imports these names, as its bundler makes it. */
async function bundle(
  names: readonly string[],
  mode: 'production' | 'development' | 'test',
  file = 'index',
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names.join(', ')} } from './dist/${file}.js'`, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    external: ['@tanstack/query-core', 'react', 'react/jsx-runtime'],
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    logLevel: 'error',
  })
  return outputFiles[0]!.text
}

const READS = ['RealtimeQueryBridge', 'defineEvents', 'on', 'invalidate', 'upsert']

it('says what happened in production, and what to do about it in development', async () => {
  const [production, development] = await Promise.all([
    bundle(READS, 'production'),
    bundle(READS, 'development'),
  ])
  for (const [what, whatToDo] of [
    ['is not in the table.', 'Add a row for it'],
    ['has an async schema.', 'Use one that validates at once'],
    ['The server ended the session', 'Put right what it refuses'],
    ['too many wait already', 'raise limits.maxQueuedSends'],
  ] as const) {
    expect(production).toContain(what)
    expect(production).not.toContain(whatToDo)
    expect(development).toContain(what)
    expect(development).toContain(whatToDo)
  }
})

// Text of it stands for a feature. `all` shows that the text is there to be missed.
it.each([
  ['lists', 'its rows have no id', 'upsert'],
  ['patches of rows', 'the patch would change the id', 'patch'],
  ['presence', 'presence-join', 'presenceOf'],
  ['positions', 'realtime-position', 'positioned'],
])('ships %s to apps that use them alone', async (_, text, name) => {
  const few = ['RealtimeQueryBridge', 'defineEvents', 'on', 'invalidate', 'setData']
  const [without, all] = await Promise.all([bundle(few, 'production'), bundle([...few, name], 'production')])
  expect(without.toLowerCase()).not.toContain(text)
  expect(all.toLowerCase()).toContain(text)
})

describe('the devtools', () => {
  const NAMES = ['RealtimeDevtools', 'RealtimeDevtoolsPanel', 'recordRealtime']
  /** Of the styles, of the panel, and of the recorder. */
  const TEXTS = ['rqbd', 'Realtime devtools', 'could not record']

  it.each(['production', 'test'] as const)('are nothing in a build for %s', async (mode) => {
    const code = await bundle(NAMES, mode, 'devtools')
    for (const text of TEXTS) expect(code).not.toContain(text)
    expect(code.length).toBeLessThan(1_000)
  })

  it('are there in development, and where an app asks for them in production', async () => {
    const builds = [
      await bundle(NAMES, 'development', 'devtools'),
      await bundle(NAMES, 'production', 'devtools-production'),
    ]
    for (const code of builds) for (const text of TEXTS) expect(code).toContain(text)
  })

  it('are not in a bundle that uses the bridge and React', async () => {
    const code = await bundle(READS, 'development')
    for (const text of TEXTS) expect(code).not.toContain(text)
  })
})
