/**
 * The code in README.md and docs/ is type-checked against the built package. Each block is a module of its own. A name
 * that it neither declares nor imports is looked for in the blocks before it, in the packages, and in `docs-app.ts`,
 * which stands for the app around it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
/** Where the blocks seem to be: the package finds itself by its name there. */
const FOLDER = join(ROOT, 'test/dist/docs-code')
const NAME = 'realtime-query-bridge'
const PACKAGES = [
  ...[
    '',
    '/react',
    '/websocket',
    '/socket.io',
    '/sse',
    '/cross-tab',
    '/persist',
    '/server',
    '/server/redis',
    '/server/postgres',
    '/testing',
    '/devtools',
    '/devtools/production',
  ].map((path) => NAME + path),
  ...['@tanstack/react-query', '@tanstack/react-query-persist-client', 'react', 'react-dom/client'],
  ...['msw', 'vitest'],
]
const APP = '../docs-app.ts'

/** What TypeScript says of a name that it does not know, or knows only as something of the browser's or of tests. */
const UNKNOWN_NAME = [2304, 2503, 2552, 2582, 2593, 2693, 18004]

interface Block {
  /** Where it stands, as editors open it. */
  readonly place: string
  readonly file: string
  readonly code: string
}

function blocksOf(page: string): Block[] {
  const blocks: Block[] = []
  const lines = readFileSync(join(ROOT, page), 'utf8').split('\n')
  for (let at = 0; at < lines.length; at++) {
    if (!/^```tsx?$/.test(lines[at] ?? '')) continue
    const end = lines.indexOf('```', at)
    const code = lines
      .slice(at + 1, end)
      .map((line) => line.replace(/^ *…$/, '')) // and so on
      .map((line) => line.replace(/^(?=<[A-Z])/, ';')) // JSX, and no comparison with the line before
      .map((line) => line.replace(/^(async function|function|const) /, 'export $1 '))
    const name = page.replace(/\W/g, '-')
    blocks.push({
      place: `${page}:${at + 1}`,
      file: join(FOLDER, `${name}-${at + 1}.tsx`),
      code: code.join('\n'),
    })
    at = end
  }
  return blocks
}

const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
const blocks = pages.filter((page) => page.endsWith('.md')).flatMap(blocksOf)

const options: ts.CompilerOptions = {
  strict: true,
  // The pages leave out the types that do not matter to them.
  noImplicitAny: false,
  allowUnusedLabels: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.ReactJSX,
  allowImportingTsExtensions: true,
  types: ['node'],
}

/** A program over the blocks; those that are not on disk are as they are given. */
function compile(sources: ReadonlyMap<string, string>, before?: ts.Program): ts.Program {
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, directoryExists, getSourceFile } = host
  host.getCurrentDirectory = () => ROOT
  host.readFile = (file) => sources.get(file) ?? readFile(file)
  host.fileExists = (file) => sources.has(file) || fileExists(file)
  host.directoryExists = (folder) => folder.startsWith(FOLDER) || directoryExists?.(folder) === true
  host.getSourceFile = (file, ...rest) => {
    const source = sources.get(file)
    if (source !== undefined) return ts.createSourceFile(file, source, rest[0], true)
    return before?.getSourceFile(file) ?? getSourceFile(file, ...rest)
  }
  return ts.createProgram([...sources.keys()], options, host)
}

/** What each module exports, by its name. */
function exportsOf(program: ts.Program, file: string): Map<string, Set<string>> {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)
  const found = new Map<string, Set<string>>()
  for (const statement of source?.statements ?? []) {
    if (!ts.isImportDeclaration(statement)) continue
    const symbol = checker.getSymbolAtLocation(statement.moduleSpecifier)
    if (symbol === undefined) continue
    const names = checker.getExportsOfModule(symbol).map((one) => one.name)
    found.set((statement.moduleSpecifier as ts.StringLiteral).text, new Set(names))
  }
  return found
}

function check(): Map<string, string[]> {
  const all = join(FOLDER, 'all.ts')
  const modules = [...blocks.map(({ file }) => file), ...PACKAGES, APP]
  /** The table, where the server's page has it from. */
  const shared = [join(FOLDER, 'shared/events.ts'), `export { events } from '${blocks[0]?.file}'`] as const
  const own = new Map(blocks.map(({ file, code }) => [file, `${code}\nexport {}`]))
  const first = compile(
    new Map([...own, shared, [all, modules.map((name) => `import '${name}'`).join('\n')]]),
  )
  const exported = exportsOf(first, all)

  const sources = blocks.map(({ file, code }, index) => {
    const source = first.getSourceFile(file)
    const unknown = new Set(
      [...first.getSyntacticDiagnostics(source), ...first.getSemanticDiagnostics(source)]
        .filter(({ code }) => UNKNOWN_NAME.includes(code))
        .map(({ start = 0, length = 0 }) => source!.text.slice(start, start + length)),
    )
    // The nearest block first.
    const before = blocks
      .slice(0, index)
      .reverse()
      .map(({ file }) => file)
    const places = [...before, APP, ...PACKAGES]
    const imports = [...unknown].flatMap((name) => {
      const place = places.find((place) => exported.get(place)?.has(name))
      return place === undefined ? [] : [`import { ${name} } from '${place}';`]
    })
    // On one line with the first of the block: lines stay as they are.
    return [file, `${imports.join(' ')}${code}\nexport {}`] as const
  })
  const program = compile(new Map([...sources, shared]), first)
  return new Map(
    blocks.map(({ place, file }) => {
      const source = program.getSourceFile(file)
      const diagnostics = [
        ...program.getSyntacticDiagnostics(source),
        ...program.getSemanticDiagnostics(source),
      ]
      const messages = diagnostics.map(({ messageText, start = 0 }) => {
        const line = source!.getLineAndCharacterOfPosition(start).line + 1
        return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
      })
      return [place, messages]
    }),
  )
}

if (!existsSync(join(ROOT, 'dist/index.d.ts')))
  throw new Error('There is no build to test: run `npm run build` first.')

describe('the code in the documents', () => {
  const found = check()

  it('is there', () => {
    expect(blocks.length).toBeGreaterThan(25)
  })

  it.each(blocks.map(({ place }) => place))('is right: %s', (place) => {
    expect(found.get(place)).toEqual([])
  })
})
