import { useState } from 'react'
import { EntryDetail } from './entry-detail.tsx'
import { Badge } from './parts.tsx'
import { PickList } from './pick-list.tsx'
import type { Entry } from './record.ts'
import type { Recorder } from './recorder.ts'
import { lineOf, timeOf } from './words.ts'

const KINDS = {
  all: 'Everything',
  event: 'Events',
  refused: 'Refused events',
  topic: 'Topics',
  mutation: 'Mutations',
  send: 'Sends',
  status: 'Connection',
} as const

const isOfKind = (entry: Entry, kind: keyof typeof KINDS): boolean => kind === 'all' || entry.kind === kind

const isFailure = ({ kind }: Entry): boolean => kind === 'error' || kind === 'refused'

/** Filters by the words of a line: each of them has to be in it. */
function filtered(entries: readonly Entry[], text: string): readonly Entry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return entries
  return entries.filter((entry) => {
    const { badge, title, end } = lineOf(entry)
    const line = `${badge} ${title} ${end}`.toLowerCase()
    return words.every((word) => line.includes(word))
  })
}

/** What has happened, newest first. Errors alone, or all of it. */
export function LogTab({
  recorder,
  errorsOnly = false,
}: {
  readonly recorder: Recorder
  readonly errorsOnly?: boolean
}) {
  const [text, setText] = useState('')
  const [kind, setKind] = useState<keyof typeof KINDS>('all')
  /** What was there when somebody wanted to read in peace. */
  const [paused, setPaused] = useState<readonly Entry[]>()
  const [selected, setSelected] = useState<string>()

  const { entries: current, dropped, capacity } = recorder
  // Also while it is paused: the last user's entries are not shown to the next one, nor what was cleared.
  const oldest = current.at(-1)?.number ?? Infinity
  const entries = paused ? paused.filter(({ number }) => number >= oldest) : current
  const shown = filtered(
    entries.filter((entry) => (errorsOnly ? isFailure(entry) : isOfKind(entry, kind))),
    text,
  )
  // Not from `shown`: it stays open while the filter changes.
  const picked = current.find(({ number }) => String(number) === selected)
  const missed = paused ? (current[0]?.number ?? 0) - (paused[0]?.number ?? 0) : 0

  return (
    <>
      <div className="rqbd-tools">
        <input
          type="search"
          aria-label="Filter"
          placeholder="Filter: type, topic, outcome"
          value={text}
          onChange={(event) => {
            setText(event.target.value)
          }}
        />
        {!errorsOnly && (
          <select
            aria-label="Kind"
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as keyof typeof KINDS)
            }}
          >
            {Object.entries(KINDS).map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        )}
        <button
          type="button"
          aria-pressed={paused !== undefined}
          onClick={() => {
            setPaused(paused ? undefined : current)
          }}
        >
          {paused ? `Paused${missed > 0 ? `, ${missed} new` : ''}` : 'Pause'}
        </button>
        <button
          type="button"
          onClick={() => {
            setSelected(undefined)
            setPaused(undefined)
            recorder.clear()
          }}
        >
          Clear
        </button>
        <span className="rqbd-quiet">
          {dropped > 0
            ? `the last ${capacity}, ${dropped} older dropped`
            : `${entries.length} recorded, ${capacity} at most`}
        </span>
      </div>
      <PickList
        label={errorsOnly ? 'Errors' : 'Events'}
        items={shown}
        keyOf={keyOf}
        selected={picked && selected}
        select={setSelected}
        row={row}
        empty={emptyText({ errorsOnly, isFiltered: entries.length > 0 && !errorsOnly })}
        detail={picked && <EntryDetail entry={picked} bridge={recorder.bridge} />}
      />
    </>
  )
}

const keyOf = ({ number }: Entry): string => String(number)

function row(entry: Entry) {
  const { badge, tone, title, end } = lineOf(entry)
  return (
    <>
      <time>{timeOf(entry.at)}</time>
      <Badge tone={tone}>{badge}</Badge>
      <span className="rqbd-title">{title}</span>
      <span className="rqbd-end">{end}</span>
    </>
  )
}

function emptyText({ errorsOnly, isFiltered }: { errorsOnly: boolean; isFiltered: boolean }): string {
  if (isFiltered) return 'Nothing that the filter lets through.'
  return errorsOnly ? 'No errors.' : 'Nothing yet. What happens from now on is recorded.'
}
