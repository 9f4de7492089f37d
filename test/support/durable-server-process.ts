/**
 * A `LiveServer` in a process of its own, whose events stand in a file before anybody hears of them: they and the
 * database survive the process. `EPOCH` is the name of its history; without one, every process begins another.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { memoryEventLog, type EventLog, type NewLogEvent } from '../../src/server/index.ts'
import { LiveServer, type Database, type Row } from './live-server.ts'

interface Line extends NewLogEvent {
  readonly topic: string
}

interface Write {
  readonly list: string
  readonly seq: number
  readonly row?: Row
}

const { FILE = '', EPOCH, PORT } = process.env
const database: Database = new Map()
const memory = memoryEventLog({
  ...(EPOCH && { epoch: EPOCH }),
  maxEventsPerTopic: 20_000,
  maxAgeMs: 600_000,
})

if (existsSync(FILE)) {
  // What follows the last line break was being written when the process was killed: nobody was told of it.
  for (const text of readFileSync(FILE, 'utf8').split('\n').slice(0, -1)) {
    const { topic, ...event } = JSON.parse(text) as Line
    const { list: name, seq, row } = JSON.parse(event.json) as Write
    const list = database.get(name) ?? { rows: new Map<number, Row>(), seq: 0 }
    database.set(name, list)
    list.seq = seq
    if (row) list.rows.set(row.id, row)
    if (EPOCH) await memory.append(topic, event)
  }
}

const log: EventLog = {
  ...memory,
  append: (topic, event) => {
    appendFileSync(FILE, `${JSON.stringify({ topic, ...event })}\n`)
    return memory.append(topic, event)
  },
}

const server = await LiveServer.start({ port: Number(PORT), database, log })
process.on('disconnect', () => process.exit())
process.on('message', (asked: { list: string; until: number }) => {
  void (async () => {
    for (let seq = server.seq(asked.list) + 1; seq <= asked.until; seq++) {
      await server.save(asked.list, { id: seq % 100, title: `write ${seq}` })
      await turn()
    }
  })()
})
process.send?.(server.port)
