/** Each row of the page names the tests that hold it. They exist, under these names. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const DOCS = new URL('../../docs/', import.meta.url)
const page = readFileSync(new URL('what-happens-when.md', DOCS), 'utf8')
const [faults = '', tests = ''] = page.split('## Where each row is tested')

/** The first cells of rows whose title is bold, without what explains it. */
const titles = [...faults.matchAll(/^\| \*\*(.+?)\*\*/gm)].map(([, title]) => title)

const rows = [...tests.matchAll(/^\| (.+?) \| (.+) \|$/gm)].map(([, title = '', cell = '']) => ({
  title,
  cell,
}))
const tested = rows.filter(({ title }) => title !== 'when…')

describe('"What happens when…"', () => {
  it('names a test for each row, and no row that is not there', () => {
    expect(titles.length).toBeGreaterThan(30)
    expect(tested.map(({ title }) => title)).toEqual(titles)
  })

  it.each(tested)('names tests that exist: $title', ({ cell }) => {
    const links = cell.split('<br>')
    for (const link of links) {
      const [, path = '', names = ''] = /^\[`[\w.-]+`\]\((.+?)\): (.+)$/.exec(link) ?? []
      const file = new URL(path, DOCS)
      expect(existsSync(file), path).toBe(true)
      const source = readFileSync(file, 'utf8')
      const quoted = [...names.matchAll(/\*(.+?)\*/g)].map(([, name = '']) => name)
      expect(quoted.length, link).toBeGreaterThan(0)
      for (const name of quoted) expect(source, path).toContain(`'${name}`)
    }
  })
})
