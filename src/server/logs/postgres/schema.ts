/**
 * What `postgresEventLog` keeps in the database, as one SQL statement.
 *
 * **Order by commit.** A sequence gives its values out before the commit, so a reader that remembers the last value
 * passes over a transaction that took a lower one and commits later. Here an event takes its offset from the row of
 * its topic (`topics.head`), whose lock is held until the commit is visible: offsets count the commits, without a
 * hole, and a rollback gives its offset back.
 *
 * **Locked at the commit, not at the append.** Inside the app's transaction an event is only inserted. A deferred
 * trigger numbers it when the transaction commits, topic after topic in one order. So a transaction may append at its
 * beginning and stay open for minutes: nobody waits for it, two of them that append to the same topics in another
 * order do not deadlock, and what waits for the lock waits for one commit at most. A sequencer that numbers the rows
 * after the commit would need no lock at all, but it could only guess the order of the commits between two of its
 * runs, and every event would wait for it.
 *
 * **What is new since the last look** is asked by transaction id: everything above the highest that has been seen,
 * and what was in progress then. This is exact whatever commits late, and it does not grow with the age of the
 * oldest open transaction.
 *
 * **Epochs.** `base()` is made of a random name that is drawn once, the identity and the timeline of the cluster and
 * the identity of the table: a dump that is restored, a recovery to a point in time and a failover each give another
 * one, and with it another epoch to every topic. `meta.generation` tells apart the lives of a topic that was forgotten.
 */

import { quoted } from './quoted.ts'

/** The version of what is below. */
const VERSION = 1

/** The lock under which nodes set up the schema, one at a time, and the one under which one of them trims. */
const MIGRATION_LOCK = '7310011820451623501'
const TRIM_LOCK = '7310011820451623502'

/**
 * The SQL that sets up the schema: one `DO` statement, for a migration tool or `psql`. It does nothing when all is
 * there, and nodes that run it at once wait for each other. Needs PostgreSQL 13.
 *
 * @param schema 1 to 40 lower-case letters, digits and `_`, beginning with a letter. @default 'realtime'
 */
export function postgresEventLogSchema(schema = 'realtime'): string {
  const s = quoted(schema)
  return /* sql */ `do $migrate$
declare
  installed int;
  place text := '';
begin
  perform pg_advisory_xact_lock(${MIGRATION_LOCK});
  if to_regclass('${s}.meta') is not null then
    select version into installed from ${s}.meta;
    if installed >= ${VERSION} then
      return;
    end if;
  end if;

  create schema if not exists ${s};
  create table if not exists ${s}.meta (
    single boolean primary key default true check (single),
    version int not null,
    history text not null,
    generation int8 not null default 0
  );
  create table if not exists ${s}.topics (
    topic text collate "C" primary key,
    base text not null,
    generation int8 not null,
    head int8 not null,
    changed_at timestamptz not null
  ) with (fillfactor = 50); -- room for the next head on the same page
  create table if not exists ${s}.events (
    seq int8 generated always as identity primary key,
    topic text collate "C" not null,
    base text not null,
    generation int8, -- null until it is numbered, as is the offset
    "offset" int8,
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    type text not null,
    json text not null,
    mutation_id text
  );
  create unique index if not exists events_by_offset on ${s}.events (topic, base, generation, "offset");
  create index if not exists events_by_xid on ${s}.events (base, xid);
  insert into ${s}.meta (version, history) values (${VERSION}, gen_random_uuid()) on conflict do nothing;

  -- Some managed databases keep these functions to themselves.
  begin
    perform pg_walfile_name(pg_current_wal_lsn()), (select system_identifier from pg_control_system());
    place := ', left(pg_walfile_name(pg_current_wal_lsn()), 8), (select system_identifier from pg_control_system())';
  exception when others then
    raise notice 'Without the timeline and the identity of the cluster a failover is not noticed: %', sqlerrm;
  end;
  execute format($define$
    create or replace function ${s}.base() returns text language plpgsql stable as $body$
    begin -- not a plain SQL function, which is planned at every call
      return (
        select left(encode(sha256(convert_to(concat_ws(
          ':', m.history, '${s}.meta'::regclass::oid%s
        ), 'UTF8')), 'hex'), 20) from ${s}.meta m
      );
    end
    $body$
  $define$, place);

  create or replace function ${s}.next_offset(
    in for_topic text, out in_base text, out in_generation int8, out next_offset int8
  ) language plpgsql as $body$
  begin
    -- A commit that a crash can take back would have been told to clients already.
    if current_setting('synchronous_commit') = 'off' then
      perform set_config('synchronous_commit', 'local', true);
    end if;
    in_base := ${s}.base();
    update ${s}.topics t set head = t.head + 1, changed_at = clock_timestamp()
      where t.topic = for_topic and t.base = in_base
      returning t.generation, t.head into in_generation, next_offset;
    if found then
      return;
    end if;
    -- Shared until the commit, so that no topic is forgotten between.
    select m.generation into in_generation from ${s}.meta m for share;
    insert into ${s}.topics as t (topic, base, generation, head, changed_at)
      values (for_topic, in_base, in_generation, 1, clock_timestamp())
      on conflict (topic) do update set
        head = case when t.base = excluded.base then t.head + 1 else 1 end,
        generation = case when t.base = excluded.base then t.generation else excluded.generation end,
        base = excluded.base,
        changed_at = excluded.changed_at
      returning t.generation, t.head into in_generation, next_offset;
  end
  $body$;

  create or replace function ${s}.append(
    for_topic text, event_type text, event_json text, event_mutation_id text, wake boolean,
    out epoch text, out at_offset int8
  ) language plpgsql as $body$
  declare
    place record;
  begin
    select * into place from ${s}.next_offset(for_topic);
    insert into ${s}.events (topic, base, generation, "offset", type, json, mutation_id)
      values (for_topic, place.in_base, place.in_generation, place.next_offset,
        event_type, event_json, event_mutation_id);
    epoch := place.in_base || '.' || place.in_generation;
    at_offset := place.next_offset;
    if wake then
      perform pg_notify('${schema}', '');
    end if;
  end
  $body$;

  create or replace function ${s}.append_in_transaction(
    for_topic text, event_type text, event_json text, event_mutation_id text, wake boolean
  ) returns void language plpgsql as $body$
  begin
    insert into ${s}.events (topic, base, type, json, mutation_id)
      values (for_topic, ${s}.base(), event_type, event_json, event_mutation_id);
    if wake then
      perform pg_notify('${schema}', '');
    end if;
  end
  $body$;

  create or replace function ${s}.number_events() returns trigger language plpgsql as $body$
  declare
    event record;
    place record;
  begin
    -- The first call of a transaction numbers all its events.
    if not exists (select from ${s}.events e where e.seq = new.seq and e."offset" is null) then
      return null;
    end if;
    for event in
      select e.seq, e.topic from ${s}.events e
      where e.base = new.base and e.xid = new.xid and e."offset" is null
      order by e.topic, e.seq
    loop
      select * into place from ${s}.next_offset(event.topic);
      update ${s}.events e
        set base = place.in_base, generation = place.in_generation, "offset" = place.next_offset
        where e.seq = event.seq;
    end loop;
    return null;
  end
  $body$;
  if not exists (
    select from pg_trigger where tgrelid = '${s}.events'::regclass and tgname = 'number_events'
  ) then
    create constraint trigger number_events after insert on ${s}.events
      deferrable initially deferred for each row when (new."offset" is null)
      execute function ${s}.number_events();
  end if;

  -- Deletes what is too old, and of the named topics (null: of all) what is too many: at most max_deletes for each
  -- reason. Returns how many. -1: another node is at it.
  create or replace function ${s}.trim(
    topics_json text, max_events int8, max_age_ms float8, max_deletes int8
  ) returns int8 language plpgsql as $body$
  declare
    this_base text := ${s}.base();
    deleted int8;
    total int8;
    one record;
  begin
    if not pg_try_advisory_xact_lock(${TRIM_LOCK}) then
      return -1;
    end if;
    -- The oldest are looked at and no others: a slow transaction leaves a few of its events for a later run.
    delete from ${s}.events e where e.seq in (
      select oldest.seq from (
        select o.seq, o.at, o.base from ${s}.events o order by o.seq limit max_deletes
      ) oldest
      where oldest.base <> this_base or oldest.at < clock_timestamp() - max_age_ms * interval '1 millisecond'
    );
    get diagnostics total = row_count;
    for one in
      select t.topic, t.generation, t.head from ${s}.topics t
      where t.base = this_base and t.head > max_events and (
        topics_json is null or t.topic in (select json_array_elements_text(topics_json::json) collate "C")
      )
    loop
      exit when total >= 2 * max_deletes;
      delete from ${s}.events e where e.seq in (
        select o.seq from ${s}.events o
        where o.topic = one.topic and o.base = this_base and o.generation = one.generation
          and o."offset" <= one.head - max_events
        order by o."offset" limit max_deletes
      );
      get diagnostics deleted = row_count;
      total := total + deleted;
    end loop;
    return total;
  end
  $body$;

  -- Lets go of topics that have had no event for so long. Should one of them come back, it does so in a new epoch.
  create or replace function ${s}.forget(idle_ms float8, max_deletes int8)
  returns int8 language plpgsql as $body$
  declare
    deleted int8;
  begin
    if not exists (
      select from ${s}.topics t where t.changed_at < clock_timestamp() - idle_ms * interval '1 millisecond'
        and not exists (select from ${s}.events e where e.topic = t.topic)
    ) or not pg_try_advisory_xact_lock(${TRIM_LOCK}) then
      return 0;
    end if;
    update ${s}.meta set generation = generation + 1;
    delete from ${s}.topics t where t.topic in (
      select idle.topic from ${s}.topics idle
      where idle.changed_at < clock_timestamp() - idle_ms * interval '1 millisecond'
        and not exists (select from ${s}.events e where e.topic = idle.topic)
      limit max_deletes for update skip locked -- a transaction that appends to it now keeps it
    );
    get diagnostics deleted = row_count;
    return deleted;
  end
  $body$;
end
$migrate$`
}
