import { quoted } from './quoted.ts'

/** The statements of the log. Every parameter is typed in the text, so that each driver sends it the same way. */
export function postgresStatements(schema: string) {
  const s = quoted(schema)
  return {
    append: `select epoch, at_offset::float8 as "offset"
      from ${s}.append($1::text, $2::text, $3::text, $4::text, $5::boolean)`,
    appendIn: `select ${s}.append_in_transaction($1::text, $2::text, $3::text, $4::text, $5::boolean)`,

    /** Gives the events of a transaction their places before its commit. */
    number: `set constraints ${s}.number_events immediate`,

    /** The heads of topics, in one snapshot. */
    heads: `select named.topic, b.base || '.' || coalesce(t.generation, m.generation) as epoch,
        coalesce(t.head, 0)::float8 as head
      from (select ${s}.base() as base) b cross join ${s}.meta m
      cross join json_array_elements_text($1::text::json) named(topic)
      left join ${s}.topics t on t.topic = named.topic collate "C" and t.base = b.base`,

    /** Head and events in one snapshot. No event when the first one after the position is gone. */
    read: `with state as materialized (
        select b.base, coalesce(t.generation, m.generation) as generation, coalesce(t.head, 0) as head
        from (select ${s}.base() as base) b cross join ${s}.meta m
        left join ${s}.topics t on t.topic = $1::text and t.base = b.base
      )
      select s.base || '.' || s.generation as epoch, s.head::float8 as head,
        e."offset"::float8 as "offset", e.type, e.json, e.mutation_id as "mutationId"
      from state s left join lateral (
        select n."offset", n.type, n.json, n.mutation_id from ${s}.events n
        where n.topic = $1::text and n.base = s.base and n.generation = s.generation
          and s.base || '.' || s.generation = $2::text and n."offset" > $3::int8
          and exists (
            select from ${s}.events f where f.topic = $1::text and f.base = s.base
              and f.generation = s.generation and f."offset" = $3::int8 + 1
          )
        order by n."offset" limit $4::int8
      ) e on true order by e."offset"`,

    /** Where a tail begins. */
    begin: `select pg_current_snapshot()::text as snapshot, b.base,
        coalesce((
          select n.xid::text from ${s}.events n where n.base = b.base order by n.xid desc limit 1
        ), '0') as xid
      from (select ${s}.base() as base) b`,

    /**
     * What has become visible: $2 is the highest transaction id that was seen, $3 those below it that were in
     * progress. The last three parameters go on after a page, within the snapshot of the first.
     */
    since: `with now as materialized (select pg_current_snapshot() as snapshot, ${s}.base() as base)
      select now.snapshot::text as snapshot, now.base, e.topic,
        e.base || '.' || e.generation as epoch, e.generation::text as generation, e."offset"::float8 as "offset",
        e.type, e.json, e.mutation_id as "mutationId", e.xid::text as xid
      from now left join lateral (
        select n.* from ${s}.events n
        where n.base = $1::text and n.base = now.base and n."offset" is not null
          and (n.xid > $2::text::xid8 or n.xid = any ($3::text::xid8[]))
          and ($5::text is null or (
            (n.topic, n.generation, n."offset") > ($5::text, $6::text::int8, $7::int8)
            and pg_visible_in_snapshot(n.xid, $8::text::pg_snapshot)
          ))
        order by n.topic, n.generation, n."offset" limit $4::int8
      ) e on true order by e.topic, e.generation, e."offset"`,

    /** Gives the log a new history, unless another node has done so. */
    renew: `update ${s}.meta set history = gen_random_uuid() where ${s}.base() = $1::text`,
    trim: `select ${s}.trim($1::text, $2::int8, $3::float8, $4::int8)::float8 as deleted`,
    forget: `select ${s}.forget($1::float8, $2::int8)::float8 as deleted`,
  }
}

export type PostgresStatements = ReturnType<typeof postgresStatements>
