/**
 * What runs inside Redis: each step of the log is one script, so that it happens as a whole or not at all. The topics
 * of a shard share
 *
 *   meta     the history: generation, epoch, number of the newest event, process of Redis that it was written by
 *   topics   every topic by the number of its newest event
 *   feed     the newest events of all topics, for the nodes; ids are `generation-number`
 *   fences   nodes that had to repeat an append: what they sent before must not run any more
 *
 * and each topic has a `topic` hash (epoch, offset of the newest event, when it came) and a `stream` of its events
 * with ids `offset-milliseconds`. All keys of a shard carry one hash tag, so they live on one node of a cluster.
 *
 * A history ends, and the next one gets a new epoch, when
 * - its keys are gone (FLUSHALL, a restart without persistence, eviction),
 * - Redis holds less than a node has seen of it (a tail was lost, an old backup was loaded),
 * - another process of Redis has it, and that one did not read it from an append-only file of its own: a snapshot is
 *   old, and a replica that was promoted may lack what the primary had acknowledged.
 *
 * A generation is the time of its beginning in microseconds, so that ids in the feed only ever grow.
 */
import { createHash } from 'node:crypto'

export interface Script {
  readonly source: string
  readonly sha: string
}

const script = (body: string): Script => {
  const source = `${PRELUDE}\n${body}`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** How long a node's fence stands, in ms: longer than a network can hold back a command. */
const FENCE_MS = 3_600_000

/** Events stay in the feed for one to two times this long, in ms; a node that is away for longer reads topics again. */
const FEED_MS = 30_000

const PRELUDE = `
local META, TOPICS, FEED, FENCES, TOPIC, STREAM = unpack(KEYS)
local knownGen, knownSeq, nonce, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local us = time[1] * 1000000 + time[2]
local ms = math.floor(us / 1000)
local gen, seq, epoch, evicted, since, count, mark, oldMark, markAt
local topicEpoch, head, at

local function text(number) return string.format('%.0f', number) end
local function offsetOf(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function timeOf(entry) return tonumber(string.match(entry[1], '%d+$')) end

local function survivedRestart(aof)
  if aof ~= '1' or not string.find(redis.call('INFO', 'persistence'), 'aof_enabled:1', 1, true) then return false end
  local replication = redis.call('INFO', 'replication')
  return string.find(replication, 'role:master', 1, true) and string.match(replication, 'master_replid2:0+%s')
end

local function open()
  local meta = redis.call('HMGET', META, 'gen', 'seq', 'epoch', 'run', 'aof', 'evicted', 'since', 'count', 'mark', 'oldMark', 'markAt')
  gen, seq, epoch = tonumber(meta[1]), tonumber(meta[2]), meta[3]
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
  local isWhole = gen and (gen > knownGen or (gen == knownGen and seq >= knownSeq))
  if isWhole and meta[4] ~= run then
    isWhole = survivedRestart(meta[5])
    if isWhole then redis.call('HSET', META, 'run', run) end
  end
  if isWhole then
    evicted, since, count = tonumber(meta[6]), tonumber(meta[7]), tonumber(meta[8])
    mark, oldMark, markAt = meta[9], meta[10], tonumber(meta[11])
    return
  end
  gen, seq, evicted, since, count = math.max(us, knownGen + 1), 0, 0, ms, 0
  mark, oldMark, markAt = '0', '0', ms
  epoch = text(gen) .. '-' .. nonce
  local aof = string.find(redis.call('INFO', 'persistence'), 'aof_enabled:1', 1, true) and '1' or '0'
  redis.call('HSET', META, 'gen', text(gen), 'seq', 0, 'epoch', epoch, 'run', run, 'aof', aof, 'evicted', 0,
    'since', text(ms), 'count', 0, 'mark', mark, 'oldMark', oldMark, 'markAt', text(markAt))
  redis.call('PEXPIRE', META, ttl * 2)
  redis.call('DEL', TOPICS, FEED)
end

-- A topic was forgotten: those that are not known may have had events, so all of them get another epoch.
local function forget()
  evicted, since = evicted + 1, ms
  redis.call('HSET', META, 'evicted', text(evicted), 'since', text(since), 'count', text(count))
end

local function find(name)
  local topic = redis.call('HMGET', TOPIC, 'epoch', 'head', 'at')
  if topic[1] and string.sub(topic[1], 1, #epoch) == epoch then
    topicEpoch, head, at = topic[1], tonumber(topic[2]), tonumber(topic[3])
    return true
  end
  local wasKnown = redis.call('ZREM', TOPICS, name) == 1
  local indexed = redis.call('ZCARD', TOPICS)
  if wasKnown or indexed ~= count then
    count = indexed
    forget()
  end
  topicEpoch, head, at = epoch, 0, since
  if evicted > 0 then topicEpoch = epoch .. '.' .. text(evicted) end
  return false
end

open()
`

/** Gives `gen, seq, ms`. */
export const SYNC = script(`return { 'ok', gen, seq, ms }`)

/** `ARGV`: topic. Gives `gen, seq, ms, epoch, head, quietMs`. */
export const HEAD = script(`
find(ARGV[5])
return { 'ok', gen, seq, ms, topicEpoch, head, math.max(0, ms - at) }
`)

/** `ARGV`: topic, epoch, offset, limit. Gives `gen, seq, ms, epoch, head, entries`. */
export const READ = script(`
find(ARGV[5])
local offset = tonumber(ARGV[7])
local reset = { 'reset', gen, seq, ms, topicEpoch, head, {} }
if ARGV[6] ~= topicEpoch or offset > head then return reset end
if offset == head then return { 'ok', gen, seq, ms, topicEpoch, head, {} } end
local entries = redis.call('XRANGE', STREAM, text(offset + 1), '+', 'COUNT', ARGV[8])
if #entries == 0 or offsetOf(entries[1]) ~= offset + 1 then return reset end
return { 'ok', gen, seq, ms, topicEpoch, head, entries }
`)

/**
 * `ARGV`: topic, event, node, fence, id of this append, since when it may have run before or '', maxEventsPerTopic,
 * maxAgeMs, feedMaxEvents, maxTopics. Gives `gen, seq, ms, epoch, offset, topics too many`.
 *
 * `stale`: the node has repeated it since. `uncertain`: it may have been appended before, and trimmed.
 */
export const APPEND = script(`
local name, data, node, fence, id, sinceMs = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local maxEvents, maxAge, feedMax, maxTopics = ARGV[11], tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14])

if fence < tonumber(redis.call('HGET', FENCES, node) or 0) then return { 'stale', gen, seq, ms } end
local isKnown = find(name)
if sinceMs ~= '' then
  redis.call('HSET', FENCES, node, fence)
  redis.call('PEXPIRE', FENCES, ${FENCE_MS})
  local first, last, isOlder = tonumber(sinceMs), '+', not isKnown
  local lowest = head + 1
  while not isOlder do
    local entries = redis.call('XREVRANGE', STREAM, last, '-', 'COUNT', 100)
    for _, entry in ipairs(entries) do
      lowest = offsetOf(entry)
      if entry[2][2] == id then return { 'ok', gen, seq, ms, topicEpoch, lowest, 0 } end
      isOlder = isOlder or timeOf(entry) < first
      last = '(' .. entry[1]
    end
    if #entries < 100 then break end
  end
  if not isOlder and lowest > 1 then return { 'uncertain', gen, seq, ms } end
end

if not isKnown then redis.call('DEL', TOPIC, STREAM) end
head, seq = head + 1, seq + 1
redis.call('HSET', TOPIC, 'epoch', topicEpoch, 'head', text(head), 'at', text(ms))
redis.call('XADD', STREAM, 'MAXLEN', maxEvents, text(head) .. '-' .. text(ms), 'i', id, 'd', data)
redis.call('XADD', FEED, 'MAXLEN', '~', feedMax, text(gen) .. '-' .. text(seq), 't', name, 'e', topicEpoch, 'n', text(head), 'd', data)
count = count + redis.call('ZADD', TOPICS, text(seq), name)
redis.call('HSET', META, 'seq', text(seq), 'count', text(count))

local oldest = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
if timeOf(oldest) < ms - maxAge then
  local low, high = offsetOf(oldest) + 1, head
  while low < high do
    local middle = math.floor((low + high) / 2)
    if timeOf(redis.call('XRANGE', STREAM, text(middle), '+', 'COUNT', 1)[1]) < ms - maxAge then low = middle + 1
    else high = middle end
  end
  redis.call('XTRIM', STREAM, 'MINID', text(low))
end
if ms - markAt > ${FEED_MS} then
  redis.call('XTRIM', FEED, 'MINID', text(gen) .. '-' .. oldMark)
  redis.call('HSET', META, 'oldMark', mark, 'mark', text(seq), 'markAt', text(ms))
end
redis.call('PEXPIRE', STREAM, maxAge)
redis.call('PEXPIRE', FEED, ${FEED_MS * 2})
redis.call('PEXPIRE', TOPIC, ttl)
redis.call('PEXPIRE', META, ttl * 2)
redis.call('PEXPIRE', TOPICS, ttl * 2)
return { 'ok', gen, seq, ms, topicEpoch, head, count - maxTopics }
`)

/** `ARGV`: topic, number of its newest event as it was seen, maxTopics. Gives `gen, seq, ms`. */
export const EVICT = script(`
if count > tonumber(ARGV[7]) and redis.call('ZSCORE', TOPICS, ARGV[5]) == ARGV[6] then
  redis.call('ZREM', TOPICS, ARGV[5])
  redis.call('DEL', TOPIC, STREAM)
  count = count - 1
  forget()
end
return { 'ok', gen, seq, ms }
`)
