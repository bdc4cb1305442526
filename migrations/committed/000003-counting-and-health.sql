--! Previous: sha1:610ff60fa80334d84945a56c31b7a2a4aa84ef12
--! Hash: sha1:7c4847b70e1462b7ce95e41c2b3b80e55c56d025
--! Message: counting and health

-- Locks in the order in which whoever writes takes them: the stripes, the mappings, and last, and for a moment, the queue, to
-- which lookups append. Lookups of what is known go on meanwhile.
select figi_private.lock_stripes(array(select generate_series(0, 255)));
lock table public.security_mappings in share row exclusive mode;

--! Included tables/counts.sql
-- What pgfigi's processes count: by the minute for charts and rates, in all for counters that never fall. Only short
-- transactions touch these rows, always in the order of their keys; lookups never do.
create table figi_private.minute_counts (
  counter text collate "C" not null,
  labels jsonb not null default '{}',
  minute timestamptz not null,
  count bigint not null,
  constraint minute_counts_pkey
    primary key (minute, counter, labels)
) with (fillfactor = 70);

comment on table figi_private.minute_counts is
  'How often something happened in each minute, by counter and labels; kept for as long as the setting pgfigi.keep_counts says (8 days). Written by add_counts.';
comment on column figi_private.minute_counts.counter is
  'What was counted, for example lookups; src/counting/counters.ts and docs/counting.md list them.';
comment on column figi_private.minute_counts.labels is
  'Of which kind, an object of short texts, for example {"type": "CUSIP", "status": "hit", "source": "database"}. Never an identifier.';
comment on column figi_private.minute_counts.minute is
  'When the minute begins.';
comment on column figi_private.minute_counts.count is
  'How often.';

create table figi_private.count_totals (
  counter text collate "C" not null,
  labels jsonb not null default '{}',
  total bigint not null,
  last_at timestamptz not null,
  constraint count_totals_pkey
    primary key (counter, labels)
) with (fillfactor = 70);

comment on table figi_private.count_totals is
  'How often something has happened since counting began: the sum of all minutes, also of those that are no longer kept.';
comment on column figi_private.count_totals.counter is
  'As in minute_counts.';
comment on column figi_private.count_totals.labels is
  'As in minute_counts.';
comment on column figi_private.count_totals.total is
  'How often in all.';
comment on column figi_private.count_totals.last_at is
  'When it was counted last.';

-- One row a process that counts: who lives, and which flush of its counts was written last, so that none is counted twice.
create table figi_private.processes (
  process text collate "C" not null,
  kind text not null,
  host text not null,
  pid integer not null,
  version text not null,
  latest_migration text,
  worker_ids text[] not null default '{}',
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  flushes bigint not null default 0,
  constraint processes_pkey
    primary key (process),
  constraint processes_kind_is_known
    check (kind in ('worker', 'client', 'command'))
);

comment on table figi_private.processes is
  'The processes of pgfigi that have this database open and say so: a worker at least every ten seconds, others when they have counted something. A row goes when its process ends in order, or has not been seen for a day.';
comment on column figi_private.processes.process is
  'A random name, new with each process.';
comment on column figi_private.processes.kind is
  'worker, client, command or page.';
comment on column figi_private.processes.host is
  'The machine that it runs on, by the name that this gives itself.';
comment on column figi_private.processes.pid is
  'Its number on that machine.';
comment on column figi_private.processes.version is
  'The version of pgfigi that it is.';
comment on column figi_private.processes.started_at is
  'Its first sign of life.';
comment on column figi_private.processes.latest_migration is
  'The newest migration that this process knows, for example 000003; null where it does not know.';
comment on column figi_private.processes.worker_ids is
  'Under which names its graphile-workers lock jobs; empty unless it is a worker.';
comment on column figi_private.processes.seen_at is
  'Its last sign of life.';
comment on column figi_private.processes.flushes is
  'The number of the last flush of counts that was written.';

-- How many rows the mappings have, as changes to add up: writers append and never wait for each other, keep_house folds.
create table figi_private.mapping_counts (
  fetched_hour timestamptz not null,
  found bigint not null,
  negatives bigint not null,
  ended bigint not null
);

comment on table figi_private.mapping_counts is
  'Changes in the number of rows of security_mappings; their sum is that number. Appended by triggers, folded by keep_house.';
comment on column figi_private.mapping_counts.fetched_hour is
  'The hour (UTC) of last_fetched_date, for what is open; -infinity for periods that have ended.';
comment on column figi_private.mapping_counts.found is
  'By how many there are more open rows with a ticker, or fewer.';
comment on column figi_private.mapping_counts.negatives is
  'By how many there are more open rows without one.';
comment on column figi_private.mapping_counts.ended is
  'By how many there are more rows with an end.';

create table figi_private.size_samples (
  minute timestamptz not null,
  found bigint not null,
  negatives bigint not null,
  stale bigint not null,
  ended bigint not null,
  waiting bigint not null,
  gave_up bigint not null,
  constraint size_samples_pkey
    primary key (minute)
);

comment on table figi_private.size_samples is
  'How much there was at that minute, for charts of growth; sampled by keep_house, kept as long as minute_counts.';
comment on column figi_private.size_samples.minute is
  'When the minute of the sample begins.';
comment on column figi_private.size_samples.found is
  'Open rows with a ticker.';
comment on column figi_private.size_samples.negatives is
  'Open rows without one.';
comment on column figi_private.size_samples.stale is
  'Of both, those past their age.';
comment on column figi_private.size_samples.ended is
  'Rows with an end.';
comment on column figi_private.size_samples.waiting is
  'Requests that waited or were being fetched.';
comment on column figi_private.size_samples.gave_up is
  'Requests that had given up.';
--! EndIncluded tables/counts.sql
--! Included tables/actions.sql
create table figi_private.actions (
  id bigint generated always as identity,
  acted_at timestamptz not null default clock_timestamp(),
  who text not null,
  address text not null,
  action text not null,
  subject text not null,
  outcome text not null,
  constraint actions_pkey
    primary key (id)
);

comment on table figi_private.actions is
  'What people did by the buttons of the page: who, from where, what, when. Written in the transaction of the action itself.';
comment on column figi_private.actions.acted_at is
  'When.';
comment on column figi_private.actions.address is
  'The address that the request came from.';
comment on column figi_private.actions.who is
  'The name that was given at the login; loopback where none was asked for.';
comment on column figi_private.actions.action is
  'fetch, retry, retry_all or unlock.';
comment on column figi_private.actions.subject is
  'What it was done to, for example CUSIP 037833100; empty for all.';
comment on column figi_private.actions.outcome is
  'What came of it, in words.';
--! EndIncluded tables/actions.sql
--! Included tables/security_mappings_indexes.sql
-- Which identifiers a ticker stands for, or stood for.
create index security_mappings_ticker
  on public.security_mappings (ticker collate "C")
  where ticker is not null;

-- The negatives, latest first.
create index security_mappings_negatives
  on public.security_mappings (last_fetched_date)
  where has_no_results and end_date is null;
--! EndIncluded tables/security_mappings_indexes.sql

--! Included functions/fetched_hour.sql
-- date_bin, for date_trunc with a time zone takes five times as long.
create or replace function figi_private.fetched_hour(p_last_fetched_date timestamptz, p_end_date timestamptz)
returns timestamptz
language sql
immutable
parallel safe
return
  case
    when p_end_date is null then date_bin(interval '1 hour', p_last_fetched_date, timestamptz '2000-01-01 00:00+00')
    else timestamptz '-infinity'
  end;

revoke execute on function figi_private.fetched_hour(timestamptz, timestamptz) from public;
comment on function figi_private.fetched_hour(timestamptz, timestamptz) is
  'Under which hour mapping_counts counts a row: that of its last_fetched_date in UTC, -infinity where the period has ended.';
--! EndIncluded functions/fetched_hour.sql
--! Included functions/fold_mapping_counts.sql
-- What another session is folding is passed over. At every instant a snapshot sees either the rows or their sums. Hours that
-- are one row already stay as they are: with nothing new to add up, nothing is written.
--
-- Nested loops, and looking for the places of rows by reading all of them, are right for none but an empty table; the plan is
-- kept while the table grows.
--
-- A snapshot older than the rows' deletion would fail, so other levels than read committed leave it to others.
create or replace function figi_private.fold_mapping_counts()
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
set enable_nestloop to off
set enable_seqscan to off
set jit to off
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  with taken as materialized (
    select c.ctid
    from figi_private.mapping_counts c
    where c.fetched_hour in (
      select k.fetched_hour
      from figi_private.mapping_counts k
      group by k.fetched_hour
      having count(*) > 1
    )
    limit 100000
    for update of c skip locked
  ),
  gone as (
    delete from figi_private.mapping_counts c
    where c.ctid = any (array(select t.ctid from taken t))
    returning c.fetched_hour, c.found, c.negatives, c.ended
  )
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select g.fetched_hour, sum(g.found), sum(g.negatives), sum(g.ended)
  from gone g
  group by g.fetched_hour
  having sum(g.found) <> 0
    or sum(g.negatives) <> 0
    or sum(g.ended) <> 0;
end
$$;

revoke execute on function figi_private.fold_mapping_counts() from public;
comment on function figi_private.fold_mapping_counts() is
  'Adds up the rows of mapping_counts, to one an hour where there are more, without waiting for anybody and without changing a sum; at most 100,000 of them a call.';
--! EndIncluded functions/fold_mapping_counts.sql
--! Included functions/count_after_insert.sql
-- Appends what a statement has changed to mapping_counts: writers never wait for each other there. The plan over a
-- transition table is kept from the session's first call; hashing is right for one row and for a hundred thousand.
--
-- Where nobody keeps house, writers fold, by chance: once in as many rows as a fold has to read (60 bytes each), but in no
-- fewer than five thousand and no more than fifty thousand.
create or replace function figi_private.count_after_insert()
returns trigger
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set enable_hashagg to on
set enable_sort to off
set jit to off
as $$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select
    figi_private.fetched_hour(n.last_fetched_date, n.end_date),
    count(*) filter (where n.end_date is null and not n.has_no_results),
    count(*) filter (where n.end_date is null and n.has_no_results),
    count(n.end_date)
  from new_rows n
  group by 1;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$$;

revoke execute on function figi_private.count_after_insert() from public;
comment on function figi_private.count_after_insert() is
  'Counts inserted mappings in mapping_counts.';
--! EndIncluded functions/count_after_insert.sql
--! Included functions/count_after_update.sql
-- As count_after_insert and count_after_delete at once. What an update leaves in its hour cancels out and is not written.
create or replace function figi_private.count_after_update()
returns trigger
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set enable_hashagg to on
set enable_sort to off
set jit to off
as $$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, sum(c.found), sum(c.negatives), sum(c.ended)
  from (
    select
      figi_private.fetched_hour(n.last_fetched_date, n.end_date) as fetched_hour,
      count(*) filter (where n.end_date is null and not n.has_no_results) as found,
      count(*) filter (where n.end_date is null and n.has_no_results) as negatives,
      count(n.end_date) as ended
    from new_rows n
    group by 1
    union all
    select
      figi_private.fetched_hour(o.last_fetched_date, o.end_date),
      -count(*) filter (where o.end_date is null and not o.has_no_results),
      -count(*) filter (where o.end_date is null and o.has_no_results),
      -count(o.end_date)
    from old_rows o
    group by 1
  ) c
  group by c.fetched_hour
  having sum(c.found) <> 0
    or sum(c.negatives) <> 0
    or sum(c.ended) <> 0;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$$;

revoke execute on function figi_private.count_after_update() from public;
comment on function figi_private.count_after_update() is
  'Counts in mapping_counts what updates of mappings change: periods that end, and answers observed again in another hour.';
--! EndIncluded functions/count_after_update.sql
--! Included functions/count_after_delete.sql
-- As count_after_insert, the other way round.
create or replace function figi_private.count_after_delete()
returns trigger
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set enable_hashagg to on
set enable_sort to off
set jit to off
as $$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select
    figi_private.fetched_hour(o.last_fetched_date, o.end_date),
    -count(*) filter (where o.end_date is null and not o.has_no_results),
    -count(*) filter (where o.end_date is null and o.has_no_results),
    -count(o.end_date)
  from old_rows o
  group by 1;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$$;

revoke execute on function figi_private.count_after_delete() from public;
comment on function figi_private.count_after_delete() is
  'Counts deleted mappings in mapping_counts.';
--! EndIncluded functions/count_after_delete.sql
--! Included functions/count_after_truncate.sql
-- Appends the opposite of all that is there: as nobody else can be writing mappings, and folding changes no sum, that
-- leaves nothing, without waiting for whoever folds. Only read committed sees what was committed before the lock.
create or replace function figi_private.count_after_truncate()
returns trigger
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform figi_private.lock_stripes('{}');
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, -sum(c.found), -sum(c.negatives), -sum(c.ended)
  from figi_private.mapping_counts c
  group by c.fetched_hour;
  perform figi_private.fold_mapping_counts();
  return null;
end
$$;

revoke execute on function figi_private.count_after_truncate() from public;
comment on function figi_private.count_after_truncate() is
  'Counts in mapping_counts that all mappings are gone. Raises PF003 outside read committed.';
--! EndIncluded functions/count_after_truncate.sql
--! Included functions/recount_mappings.sql
-- For after what passes by the triggers: a restore with --disable-triggers, or a bulk load without them. It appends the
-- differences, so that it does not wait for whoever folds.
create or replace function figi_private.recount_mappings()
returns bigint
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mended bigint;
begin
  -- First what writers take first, so that none of them is in the middle of its work.
  perform figi_private.lock_stripes(array(select generate_series(0, 255)));
  lock table public.security_mappings in share mode;
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, sum(c.found), sum(c.negatives), sum(c.ended)
  from (
    select
      figi_private.fetched_hour(m.last_fetched_date, m.end_date) as fetched_hour,
      count(*) filter (where m.end_date is null and not m.has_no_results) as found,
      count(*) filter (where m.end_date is null and m.has_no_results) as negatives,
      count(m.end_date) as ended
    from public.security_mappings m
    group by 1
    union all
    select k.fetched_hour, -k.found, -k.negatives, -k.ended
    from figi_private.mapping_counts k
  ) c
  group by c.fetched_hour
  having sum(c.found) <> 0
    or sum(c.negatives) <> 0
    or sum(c.ended) <> 0;
  get diagnostics v_mended = row_count;
  return v_mended;
end
$$;

revoke execute on function figi_private.recount_mappings() from public;
comment on function figi_private.recount_mappings() is
  'Counts all mappings and corrects mapping_counts by what it was wrong; for after a load that passed by the triggers. Returns for how many hours it was wrong. Writers wait meanwhile: some seconds at ten million rows. Raises PF003 outside read committed.';
--! EndIncluded functions/recount_mappings.sql
--! Included tables/mapping_counts_triggers.sql
create trigger count_after_insert
  after insert on public.security_mappings
  referencing new table as new_rows
  for each statement
  execute function figi_private.count_after_insert();

create trigger count_after_update
  after update on public.security_mappings
  referencing old table as old_rows new table as new_rows
  for each statement
  execute function figi_private.count_after_update();

create trigger count_after_delete
  after delete on public.security_mappings
  referencing old table as old_rows
  for each statement
  execute function figi_private.count_after_delete();

create trigger count_after_truncate
  after truncate on public.security_mappings
  for each statement
  execute function figi_private.count_after_truncate();
--! EndIncluded tables/mapping_counts_triggers.sql
select figi_private.recount_mappings();

-- From here on nothing takes long.
select figi_private.lock_queue();
--! Included tables/operations_columns.sql
-- Which limit was last reserved under, for whoever only looks.
alter table figi_private.api_budgets
  add column capacity integer,
  add column window_length interval;

comment on column figi_private.api_budgets.capacity is
  'How many requests the limit allows within window_length, as last reserved; null before the first.';
comment on column figi_private.api_budgets.window_length is
  'The window of the limit, as last reserved; null before the first.';

-- Clients count their lookups themselves and are told by their name; what other sessions miss is counted by their requests.
alter table figi_private.fetch_requests
  add column from_sql boolean not null default (current_setting('application_name') not like 'pgfigi%');

comment on column figi_private.fetch_requests.from_sql is
  'Whether a session asked that is none of pgfigi''s own processes, by its application_name: whose lookups nobody else counts.';
--! EndIncluded tables/operations_columns.sql

--! Included functions/is_count.sql
create or replace function figi_private.is_count(p_element jsonb)
returns boolean
language sql
immutable
parallel safe
return
  case
    when jsonb_typeof(p_element) <> 'object'
      or coalesce(p_element ->> 'counter', '') !~ '^[a-z][a-z_]{0,59}$'
      or jsonb_typeof(p_element -> 'count') is distinct from 'number'
      or jsonb_typeof(coalesce(p_element -> 'labels', '{}')) <> 'object'
      then false
    else
      (p_element ->> 'count')::numeric between 0 and 1000000000000
      and (p_element ->> 'count')::numeric % 1 = 0
      and (
        select count(*) <= 5 and coalesce(bool_and(jsonb_typeof(l.value) = 'string' and length(l.value #>> '{}') <= 100 and length(l.key) <= 60), true)
        from jsonb_each(coalesce(p_element -> 'labels', '{}')) as l (key, value)
      )
  end;

revoke execute on function figi_private.is_count(jsonb) from public;
comment on function figi_private.is_count(jsonb) is
  'Whether this is an object that add_counts can add: a counter, labels that are few and short texts, and a whole number from 0 on.';
--! EndIncluded functions/is_count.sql
--! Included functions/add_counts.sql
-- Whoever adds counts locks their rows until the end of its transaction: so it does that last, and everybody takes them in
-- the same order, which cannot deadlock.
create or replace function figi_private.add_counts(p_counts jsonb)
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  if p_counts = '[]' then
    return;
  end if;
  if jsonb_typeof(p_counts) is distinct from 'array' then
    raise exception 'counts must be an array, not %', coalesce(jsonb_typeof(p_counts), 'null')
      using errcode = 'PF002', hint = 'For example [{"counter": "lookups", "labels": {"type": "CUSIP"}, "count": 1}].';
  end if;
  if jsonb_array_length(p_counts) > 1000
    or exists (
      select
      from jsonb_array_elements(p_counts) as c (element)
      where not figi_private.is_count(c.element)
    )
  then
    raise exception 'these are no counts, or more than a thousand: %', left(p_counts::text, 200)
      using
        errcode = 'PF002',
        hint = 'Each has a counter in lower case, labels (an object of at most five short texts) and a count, a whole number from 0 on. Nothing was counted.';
  end if;

  with counted as materialized (
    select
      (c.element ->> 'counter') collate "C" as counter,
      coalesce(c.element -> 'labels', '{}') as labels,
      sum((c.element ->> 'count')::bigint)::bigint as count
    from jsonb_array_elements(p_counts) as c (element)
    group by 1, 2
  ),
  in_minute as (
    insert into figi_private.minute_counts as m (counter, labels, minute, count)
    select c.counter, c.labels, date_trunc('minute', v_now), c.count
    from counted c
    where c.count > 0
    order by c.counter, c.labels
    on conflict (minute, counter, labels) do update
    set count = m.count + excluded.count
  )
  insert into figi_private.count_totals as t (counter, labels, total, last_at)
  select c.counter, c.labels, c.count, v_now
  from counted c
  where c.count > 0
  order by c.counter, c.labels
  on conflict (counter, labels) do update
  set
    total = t.total + excluded.total,
    last_at = greatest(t.last_at, excluded.last_at);
end
$$;

revoke execute on function figi_private.add_counts(jsonb) from public;
comment on function figi_private.add_counts(jsonb) is
  'Adds counts to the current minute and to the totals: an array of at most 1000 objects with counter, labels (an object of short texts) and count. Raises PF002 for anything else, and counts nothing then.';
--! EndIncluded functions/add_counts.sql

-- What is a change, for mapping_changes and for the counts. Whoever could ask for changes until now still can, before
-- grants.sql is run again.
--! Included views/period_changes.sql
-- The rule of what is a change, once for all who ask: every period compared with the one before it, by the index of the
-- history: two probes a period at most. Whoever reads it says which periods, by their identifiers or their beginning.
create or replace view figi_private.period_changes as
  select
    m.identifier_type,
    m.identifier_value,
    m.start_date as changed_at,
    change.kind,
    coalesce(previous.ticker, earlier.ticker) as from_ticker,
    m.ticker as to_ticker,
    case when m.ticker is null then previous.name else m.name end as name,
    case when m.ticker is null then previous.figi else m.figi end as figi,
    m.source,
    greatest(m.created_at, previous.created_at, earlier.created_at) as recorded_at
  from figi_private.recorded_periods m
  left join lateral (
    select p.ticker, p.ticker is null as has_no_results, p.name, p.figi, p.created_at
    from figi_private.recorded_periods p
    where p.identifier_type = m.identifier_type
      and p.identifier_value = m.identifier_value
      and p.start_date < m.start_date
    order by p.start_date desc
    limit 1
  ) previous on true
  left join lateral (
    select p.ticker, p.created_at
    from figi_private.recorded_periods p
    where m.ticker is not null
      and previous.has_no_results
      and p.identifier_type = m.identifier_type
      and p.identifier_value = m.identifier_value
      and p.start_date < m.start_date
      and p.ticker is not null
    order by p.start_date desc
    limit 1
  ) earlier on true
  cross join lateral (
    select
      case
        when m.ticker is null then
          case when previous.ticker is not null then 'retired' end
        when previous.ticker is not null then
          case when figi_private.plain_ticker(previous.ticker) <> figi_private.plain_ticker(m.ticker) then 'renamed' end
        when earlier.ticker is not null then 'revived'
        else 'first_seen'
      end as kind
  ) change;

revoke all on figi_private.period_changes from public;
comment on view figi_private.period_changes is
  'Every period as the change that it is to the one before it, with kind null where it is none: the rule of mapping_changes, for it and for what counts changes.';
--! EndIncluded views/period_changes.sql
do $$
declare
  v_role regrole;
begin
  for v_role in
    select distinct a.grantee
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = 'figi_private.recorded_periods'::regclass
      and a.privilege_type = 'SELECT'
      and a.grantee not in (0, c.relowner)
  loop
    execute format('grant select on figi_private.period_changes to %s', v_role);
  end loop;
end
$$;
--! Included functions/mapping_changes.sql
-- Every period that begins at or after an instant, compared with the one before it (period_changes has the rule). The
-- beginnings are found by the BRIN index.
create or replace function public.mapping_changes(since timestamptz)
returns table (
  identifier_type text,
  identifier_value text,
  changed_at timestamptz,
  kind text,
  from_ticker text,
  to_ticker text,
  name text,
  figi text,
  source text,
  recorded_at timestamptz
)
language sql
stable
parallel safe
rows 1000
begin atomic
  select
    c.identifier_type,
    c.identifier_value,
    c.changed_at,
    c.kind,
    c.from_ticker,
    c.to_ticker,
    c.name,
    c.figi,
    c.source,
    c.recorded_at
  from figi_private.period_changes c
  where c.changed_at >= mapping_changes.since
    and c.kind is not null
  order by c.changed_at, c.identifier_type, c.identifier_value;
end;

revoke execute on function public.mapping_changes(timestamptz) from public;
comment on function public.mapping_changes(timestamptz) is
  'Who changed from what to what at or after an instant, in order of time: kind is first_seen (the first ticker ever), renamed (another ticker), retired (a ticker, then no results) or revived (a ticker again after no results; from_ticker is the last one before). The same ticker again, or spelled otherwise (BRKB, BRK/B), is no change, and a negative that follows no ticker none either. recorded_at is when the later of the two was written: imports may add changes of the past later. Of a change that comes about because an import has put something between two periods, or taken it away, only the since of notify mapping_changes tells.';
--! EndIncluded functions/mapping_changes.sql
--! Included functions/changes_as_counts.sql
create or replace function figi_private.changes_as_counts(
  p_identifier_types text[],
  p_identifier_values text[],
  p_changed_at timestamptz
)
returns jsonb
language sql
stable
set search_path to pg_catalog, pg_temp
set enable_seqscan to off
set enable_bitmapscan to off
set jit to off
as $$
  select coalesce(
    jsonb_agg(jsonb_build_object(
      'counter', 'ticker_changes',
      'labels', jsonb_build_object('kind', k.kind),
      'count', k.count
    )),
    '[]'
  )
  from (
    select c.kind, count(*) as count
    from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
    cross join lateral (
      select p.kind
      from figi_private.period_changes p
      where p.identifier_type = i.identifier_type
        and p.identifier_value = i.identifier_value
        and p.changed_at = p_changed_at
      offset 0
    ) c
    where c.kind is not null
    group by c.kind
  ) k
$$;

revoke execute on function figi_private.changes_as_counts(text[], text[], timestamptz) from public;
comment on function figi_private.changes_as_counts(text[], text[], timestamptz) is
  'Which changes the periods are that begin at that instant, of these identifiers, as counts for add_counts.';
--! EndIncluded functions/changes_as_counts.sql

--! Included functions/stale_by.sql
-- is_fresh, solved for last_fetched_date: so an index, or sums by the hour, can tell what is stale. Intervals compare with
-- months of 30 days and days of 24 hours, whatever the calendar says. Limits of more than five thousand years would leave
-- the range of timestamps.
create or replace function figi_private.stale_by(max_age interval default null)
returns timestamptz
language sql
stable
parallel safe
begin atomic
  select
    case
      when a.max_age <= interval '0' then timestamptz 'infinity'
      when a.max_age > interval '2000000 days' then timestamptz '-infinity'
      else
        statement_timestamp()
          - interval '24 hours' * ((extract(year from a.max_age) * 12 + extract(month from a.max_age)) * 30 + extract(day from a.max_age))::float8
          - (a.max_age - date_trunc('day', a.max_age))
    end
  from (select public.cache_max_age(stale_by.max_age) as max_age) a;
end;

revoke execute on function figi_private.stale_by(interval) from public;
comment on function figi_private.stale_by(interval) is
  'What was last fetched at this instant or before is stale by max_age (null: the setting, else 60 days), by the rule of is_fresh; infinity where all is stale.';
--! EndIncluded functions/stale_by.sql
--! Included functions/mapping_totals.sql
-- Whole hours by their sums; the hour in which staleness begins by the index of stale_mappings, in its words.
create or replace function figi_private.mapping_totals(
  out found bigint,
  out negatives bigint,
  out stale bigint,
  out ended bigint
)
language sql
stable
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  with boundary as materialized (
    select b.stale_by, figi_private.fetched_hour(b.stale_by, null) as hour
    from (select figi_private.stale_by() as stale_by) b
  ),
  counted as materialized (
    select
      coalesce(sum(c.found), 0)::bigint as found,
      coalesce(sum(c.negatives), 0)::bigint as negatives,
      coalesce(sum(c.found + c.negatives) filter (where c.fetched_hour < b.hour), 0)::bigint as stale,
      coalesce(sum(c.ended), 0)::bigint as ended
    from boundary b
    left join figi_private.mapping_counts c on true
  )
  select
    c.found,
    c.negatives,
    c.stale + (
      select count(*)
      from public.security_mappings m
      where coalesce(m.end_date, 'infinity') = 'infinity'
        and m.last_fetched_date >= (select b.hour from boundary b)
        and m.last_fetched_date <= (select b.stale_by from boundary b)
    ),
    c.ended
  from counted c
$$;

revoke execute on function figi_private.mapping_totals() from public;
comment on function figi_private.mapping_totals() is
  'How many mappings are current with a ticker (found) and without (negatives), how many of both are past their age (stale), and how many periods have ended: exact, without counting the table.';
--! EndIncluded functions/mapping_totals.sql
--! Included functions/queue_totals.sql
create or replace function figi_private.queue_totals(
  out lookup bigint,
  out warming bigint,
  out refresh bigint,
  out gave_up bigint,
  out oldest timestamptz
)
language sql
stable
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select
    count(*) filter (where r.gave_up_at is null and r.priority = 0),
    count(*) filter (where r.gave_up_at is null and r.priority = 1),
    count(*) filter (where r.gave_up_at is null and r.priority = 2),
    count(r.gave_up_at),
    min(r.requested_at) filter (where r.gave_up_at is null)
  from figi_private.fetch_requests r
$$;

revoke execute on function figi_private.queue_totals() from public;
comment on function figi_private.queue_totals() is
  'How many requests wait or are being fetched, by priority, how many gave up, and since when the oldest waits: one pass over the queue.';
--! EndIncluded functions/queue_totals.sql
--! Included functions/budget_use.sql
create or replace function figi_private.budget_use(
  out used numeric,
  out blocked_for interval,
  out requests_per_second double precision
)
language sql
volatile
set search_path to pg_catalog, pg_temp
as $$
  select
    max(b.used),
    greatest(max(b.blocked_until) filter (where isfinite(b.blocked_until)) - clock_timestamp(), interval '0'),
    (array_agg(b.requests_per_second order by b.last_sent_at desc nulls last) filter (where b.requests_per_second is not null))[1]
  from (
    select
      a.blocked_until,
      a.sent_at[cardinality(a.sent_at)] as last_sent_at,
      a.capacity / extract(epoch from a.window_length)::float8 as requests_per_second,
      least(
        round(
          (select count(*) from unnest(a.sent_at) as sent (at) where sent.at > clock_timestamp() - a.window_length)::numeric
            / a.capacity,
          4
        ),
        1
      ) as used
    from figi_private.api_budgets a
  ) b
$$;

revoke execute on function figi_private.budget_use() from public;
comment on function figi_private.budget_use() is
  'Of the limits on requests: the share of the fullest that is in use now (null before the first request), for how long the longest block still lasts, and how many requests a second the limit allows that was used last.';
--! EndIncluded functions/budget_use.sql
--! Included functions/hit_rates.sql
-- offset 0: the label is looked up once a row.
create or replace function figi_private.hit_rates(out last_hour numeric, out last_day numeric)
language sql
stable
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select
    round(
      coalesce(sum(l.count) filter (where l.is_recent and l.status in ('hit', 'negative')), 0)
        / nullif(sum(l.count) filter (where l.is_recent and l.status in ('hit', 'negative', 'stale', 'miss')), 0),
      4
    ),
    round(
      coalesce(sum(l.count) filter (where l.status in ('hit', 'negative')), 0)
        / nullif(sum(l.count) filter (where l.status in ('hit', 'negative', 'stale', 'miss')), 0),
      4
    )
  from (
    select
      m.count,
      m.labels ->> 'status' as status,
      m.minute > statement_timestamp() - interval '1 hour' as is_recent
    from figi_private.minute_counts m
    where m.counter = 'lookups'
      and m.minute > statement_timestamp() - interval '24 hours'
    offset 0
  ) l
$$;

revoke execute on function figi_private.hit_rates() from public;
comment on function figi_private.hit_rates() is
  'Of the lookups counted within the last hour and day, the share that was answered from what is known and young enough, negatives included, 0 to 1; invalid identifiers are left out. Null without lookups.';
--! EndIncluded functions/hit_rates.sql
--! Included functions/identifiers_per_request.sql
-- Both rounds included: an identifier that the preferred market does not know takes its place in two requests.
create or replace function figi_private.identifiers_per_request()
returns double precision
language sql
stable
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select coalesce(
    (
      select
        sum(m.count) filter (where m.counter = 'openfigi_answers' and m.labels ->> 'outcome' in ('listing', 'none'))
          / sum(m.count) filter (where m.counter = 'openfigi_requests')
      from figi_private.minute_counts m
      where m.counter in ('openfigi_answers', 'openfigi_requests')
        and m.minute > statement_timestamp() - interval '1 hour'
    ),
    (
      select
        sum(t.total) filter (where t.counter = 'openfigi_answers' and t.labels ->> 'outcome' in ('listing', 'none'))
          / sum(t.total) filter (where t.counter = 'openfigi_requests')
      from figi_private.count_totals t
      where t.counter in ('openfigi_answers', 'openfigi_requests')
    )
  )::float8
$$;

revoke execute on function figi_private.identifiers_per_request() from public;
comment on function figi_private.identifiers_per_request() is
  'How many identifiers a request to OpenFIGI settles: within the last hour, else since counting began; null where nothing is counted.';
--! EndIncluded functions/identifiers_per_request.sql

--! Included functions/priority_name.sql
create or replace function figi_private.priority_name(priority smallint)
returns text
language sql
immutable
parallel safe
return case priority when 0 then 'lookup' when 1 then 'warming' else 'refresh' end;

revoke execute on function figi_private.priority_name(smallint) from public;
comment on function figi_private.priority_name(smallint) is
  'What people call a priority of fetch_requests: lookup, warming or refresh.';
--! EndIncluded functions/priority_name.sql
--! Included functions/end_requests.sql
create or replace function figi_private.end_requests(p_ids bigint[])
returns jsonb
language sql
volatile
set search_path to pg_catalog, pg_temp
as $$
  with ended as (
    delete from figi_private.fetch_requests r
    where r.id = any (p_ids)
    returning r.priority, r.from_sql
  )
  select coalesce(
    jsonb_agg(jsonb_build_object(
      'counter', 'fetch_requests',
      'labels', jsonb_build_object(
        'priority', figi_private.priority_name(e.priority),
        'asked_by', case when e.from_sql then 'sql' else 'pgfigi' end
      ),
      'count', e.count
    )),
    '[]'
  )
  from (
    select ended.priority, ended.from_sql, count(*) as count
    from ended
    group by ended.priority, ended.from_sql
  ) e
$$;

revoke execute on function figi_private.end_requests(bigint[]) from public;
comment on function figi_private.end_requests(bigint[]) is
  'Deletes requests that are answered, or of no use any more, and returns them as counts for add_counts: each request is counted once, when it ends.';
--! EndIncluded functions/end_requests.sql
--! Included functions/claim_requests.sql
-- Takes distinct identifiers for one API request or several, all of one round. Claims go one at a time (they take
-- milliseconds), so that an identifier which two sessions asked for at once is claimed once.
--
-- Which round: the more urgent priority first; else the filtered round, so that what the preferred market does not know
-- gathers into full unfiltered requests, unless the first of these has waited for ten seconds. When nothing filtered
-- waits, the unfiltered round goes as soon as it fills a request, when nothing filtered is in flight that might add to
-- it, or when its first has waited for two seconds.
--
-- A claim probes indexes, whatever the queue's statistics say: a queue that has just been filled has none.
create or replace function figi_private.claim_requests(
  p_claimant text,
  p_max_identifiers integer,
  p_request_size integer,
  p_lease interval,
  p_wanted_types text[] default null,
  p_wanted_values text[] default null
)
returns table (
  identifier_type text,
  identifier_value text,
  unfiltered boolean
)
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_bitmapscan to off
as $$
#variable_conflict use_column
declare
  v_now timestamptz;
  v_filtered record;
  v_unfiltered record;
  v_filtered_in_flight boolean;
  v_take_unfiltered boolean;
  v_types text[];
  v_values text[];
  v_ids bigint[];
  v_ended jsonb;
  v_counts jsonb := jsonb '[]';
begin
  perform figi_private.lock_queue();

  loop
    v_now := clock_timestamp();

    v_filtered := figi_private.head_of_round(false, p_max_identifiers, v_now, p_wanted_types, p_wanted_values);
    -- As long as something filtered waits, the first of the unfiltered round mostly tells that it is not its turn.
    v_unfiltered := figi_private.head_of_round(
      true, case when v_filtered.size > 0 then 1 else p_max_identifiers end, v_now, p_wanted_types, p_wanted_values
    );
    if v_filtered.size > 0 and (
      v_unfiltered.priority < v_filtered.priority
      or (v_unfiltered.priority = v_filtered.priority and v_unfiltered.ready_at < v_now - interval '10 seconds')
    ) then
      v_unfiltered := figi_private.head_of_round(true, p_max_identifiers, v_now, p_wanted_types, p_wanted_values);
    end if;

    v_filtered_in_flight := exists (
      select
      from figi_private.fetch_requests r
      where r.claimed_until >= v_now
        and not r.unfiltered
        and r.priority <= v_unfiltered.priority
    );

    v_take_unfiltered :=
      case
        when v_unfiltered.size = 0 then false
        when v_filtered.priority < v_unfiltered.priority then false
        when v_filtered.priority = v_unfiltered.priority then v_unfiltered.ready_at < v_now - interval '10 seconds'
        when v_unfiltered.size >= p_request_size then true
        when v_filtered_in_flight then v_unfiltered.ready_at < v_now - interval '2 seconds'
        else true
      end;

    if v_take_unfiltered then
      -- What does not fill a request waits for more to come.
      v_types := v_unfiltered.identifier_types[:greatest(v_unfiltered.size - v_unfiltered.size % p_request_size, p_request_size)];
      v_values := v_unfiltered.identifier_values[:cardinality(v_types)];
    elsif v_filtered.size > 0 then
      v_types := v_filtered.identifier_types;
      v_values := v_filtered.identifier_values;
    else
      perform figi_private.add_counts(v_counts);
      return;
    end if;

    -- What was fetched after it was asked for needs no further request.
    v_ids := figi_private.request_ids(v_types, v_values);
    v_ended := figi_private.end_requests(array(
      select r.id
      from figi_private.fetch_requests r
      where r.id = any (v_ids)
        and r.requested_at <= (
          select m.last_fetched_date
          from public.security_mappings m
          where m.identifier_type = r.identifier_type
            and m.identifier_value = r.identifier_value
            and m.end_date is null
        )
    ));
    exit when v_ended = '[]';
    v_counts := v_counts || v_ended;
  end loop;

  update figi_private.fetch_requests r
  set
    claimed_by = p_claimant,
    claimed_until = v_now + p_lease
  where r.id = any (v_ids)
    and r.gave_up_at is null;

  return query
    select picked.identifier_type, picked.identifier_value, v_take_unfiltered
    from unnest(v_types, v_values) with ordinality as picked (identifier_type, identifier_value, place)
    order by picked.place;
  perform figi_private.add_counts(v_counts);
end
$$;

revoke execute on function figi_private.claim_requests(text, integer, integer, interval, text[], text[]) from public;
comment on function figi_private.claim_requests(text, integer, integer, interval, text[], text[]) is
  'Claims up to p_max_identifiers distinct identifiers of one round for p_claimant until the lease ends, to be sent p_request_size at a time, first those that are wanted (null: none in particular); no row where nothing can be claimed now.';
--! EndIncluded functions/claim_requests.sql
--! Included functions/record_answers.sql
-- A whole API answer in one transaction: mappings written, requests done, put into the unfiltered round, or put off.
-- An error for one identifier is recorded on its request and retried three times, after 2, 8 and 30 seconds; it never
-- becomes a negative. What was done is counted last, since that locks the rows of the counts.
create or replace function figi_private.record_answers(p_answers jsonb, p_age interval default '0')
returns bigint
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
declare
  v_fetched_at timestamptz := clock_timestamp() - greatest(p_age, interval '0');
  v_written bigint;
  v_opened_types text[];
  v_opened_values text[];
  v_counts jsonb;
  v_answered bigint[];
  v_unfiltered bigint[];
  v_failed bigint[];
begin
  -- A listing without a ticker answers nothing, and is no negative either.
  p_answers := (
    select coalesce(jsonb_agg(
      case
        when a.answer ->> 'outcome' = 'listing' and coalesce(btrim(a.answer ->> 'ticker'), '') = '' then
          a.answer || '{"outcome": "error", "message": "The listing has no ticker"}'
        when a.answer ->> 'outcome' = 'none' then a.answer - 'ticker'
        else a.answer
      end
    ), '[]')
    from jsonb_array_elements(p_answers) as a (answer)
  );

  select
    count(*),
    array_agg(u.identifier_type) filter (where u.start_date = v_fetched_at),
    array_agg(u.identifier_value) filter (where u.start_date = v_fetched_at)
  into v_written, v_opened_types, v_opened_values
  from (
    select
      array_agg(a.identifier_type) as types,
      array_agg(a.identifier_value) as values,
      array_agg(a.ticker) as tickers,
      array_agg(a.figi) as figis,
      array_agg(a.composite_figi) as composite_figis,
      array_agg(a.share_class_figi) as share_class_figis,
      array_agg(a.name) as names,
      array_agg(a.exch_code) as exch_codes,
      array_agg(a.security_type) as security_types,
      array_agg(a.security_type2) as security_types2,
      array_agg(a.market_sector) as market_sectors,
      array_agg(a.alternatives) as alternatives
    from jsonb_to_recordset(p_answers) as a (
      outcome text, identifier_type text, identifier_value text, ticker text, figi text, composite_figi text,
      share_class_figi text, name text, exch_code text, security_type text, security_type2 text, market_sector text,
      alternatives jsonb
    )
    where a.outcome in ('listing', 'none')
  ) o
  cross join lateral public.upsert_mappings(
    o.types, o.values, o.tickers, v_fetched_at, o.figis, o.composite_figis, o.share_class_figis, o.names, o.exch_codes,
    o.security_types, o.security_types2, o.market_sectors, o.alternatives
  ) u
  where o.types is not null;

  perform figi_private.lock_queue();

  select
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome in ('listing', 'none')),
      array_agg(a.identifier_value) filter (where a.outcome in ('listing', 'none'))
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'unfiltered'),
      array_agg(a.identifier_value) filter (where a.outcome = 'unfiltered')
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'error'),
      array_agg(a.identifier_value) filter (where a.outcome = 'error')
    )
  into v_answered, v_unfiltered, v_failed
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text);

  v_counts := figi_private.end_requests(v_answered);

  update figi_private.fetch_requests r
  set
    unfiltered = true,
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    not_before = clock_timestamp()
  where r.id = any (v_unfiltered);

  update figi_private.fetch_requests r
  set
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    attempts = r.attempts + 1,
    last_error = left(a.message, 500),
    gave_up_at = case when r.attempts >= 3 then clock_timestamp() end,
    not_before =
      clock_timestamp() + case r.attempts when 0 then interval '2 s' when 1 then interval '8 s' else interval '30 s' end
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text, message text)
  where r.id = any (v_failed)
    and r.gave_up_at is null
    and a.outcome = 'error'
    and a.identifier_type = r.identifier_type
    and a.identifier_value = r.identifier_value;

  -- Of the requests for an identifier that gave up, the last one tells enough.
  if v_failed <> '{}' then
    v_counts := v_counts || figi_private.end_requests(array(
      select r.id
      from figi_private.fetch_requests r
      where r.id = any (v_failed)
        and r.gave_up_at is not null
        and exists (
          select
          from figi_private.fetch_requests later
          where later.id = any (v_failed)
            and later.identifier_type = r.identifier_type
            and later.identifier_value = r.identifier_value
            and later.id > r.id
        )
    ));
  end if;

  -- OpenFIGI answers: whoever sits out an outage need not wait any longer.
  update figi_private.fetch_requests r
  set not_before = clock_timestamp()
  where r.setbacks > 0
    and r.claimed_by is null
    and r.gave_up_at is null
    and r.not_before > clock_timestamp();

  if v_opened_types is not null then
    v_counts := v_counts || figi_private.changes_as_counts(v_opened_types, v_opened_values, v_fetched_at);
  end if;
  perform figi_private.add_counts(v_counts);
  return v_written;
end
$$;

revoke execute on function figi_private.record_answers(jsonb, interval) from public;
comment on function figi_private.record_answers(jsonb, interval) is
  'Records what OpenFIGI answered p_age ago: an array of objects with identifier_type, identifier_value, outcome (listing, none, unfiltered, error), the listing''s columns, or a message. Returns the number of mappings written.';
--! EndIncluded functions/record_answers.sql
--! Included functions/reserve_api_slot.sql
-- A sliding log of the last `capacity` send times, exact over any number of processes: a token bucket with the same
-- burst lets nearly twice as many through at the edge of a window. To be called in a transaction of its own, never
-- around a sleep or an HTTP request. The clock is read after the row is locked.
create or replace function figi_private.reserve_api_slot(p_budget text, p_capacity integer, p_window interval)
returns interval
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_budget figi_private.api_budgets;
  v_now timestamptz;
  v_slot timestamptz;
  v_log timestamptz[];
begin
  insert into figi_private.api_budgets (budget)
  values (p_budget)
  on conflict do nothing;

  select b.* into v_budget
  from figi_private.api_budgets b
  where b.budget = p_budget
  for update;

  v_now := clock_timestamp();
  v_log := v_budget.sent_at;
  v_slot := greatest(
    v_now,
    v_budget.blocked_until,
    v_log[cardinality(v_log)],
    v_log[cardinality(v_log) - p_capacity + 1] + p_window
  );
  v_log := v_log || v_slot;

  update figi_private.api_budgets b
  set
    sent_at = v_log[greatest(cardinality(v_log) - p_capacity + 1, 1):],
    capacity = p_capacity,
    window_length = p_window
  where b.budget = p_budget;

  return v_slot - v_now;
end
$$;

revoke execute on function figi_private.reserve_api_slot(text, integer, interval) from public;
comment on function figi_private.reserve_api_slot(text, integer, interval) is
  'Reserves the next instant at which one request may be sent under the budget, so that no window holds more than p_capacity of them, and returns how long to wait for it. Whoever wakes more than half a second late, or finds the budget blocked, gives the slot up and takes another.';
--! EndIncluded functions/reserve_api_slot.sql

--! Included functions/keep_house.sql
-- The first to come in a minute does it; whoever comes meanwhile goes on. What others hold is passed over, and done at a
-- later time.
create or replace function figi_private.keep_house()
returns void
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_minute timestamptz := date_trunc('minute', v_now);
  v_keep interval := interval '8 days';
begin
  if current_setting('transaction_isolation') <> 'read committed'
    or exists (select from figi_private.size_samples s where s.minute = v_minute)
    or not pg_try_advisory_xact_lock(1718183785, -2)
  then
    return;
  end if;
  perform figi_private.fold_mapping_counts();
  begin
    insert into figi_private.size_samples (minute, found, negatives, stale, ended, waiting, gave_up)
    select v_minute, m.found, m.negatives, m.stale, m.ended, q.lookup + q.warming + q.refresh, q.gave_up
    from figi_private.mapping_totals() m
    cross join figi_private.queue_totals() q
    on conflict do nothing;
  exception
    -- pgfigi.cache_max_age is no interval: nobody knows what is stale. health_checks() tells of it.
    when data_exception then null;
  end;

  begin
    v_keep := coalesce(nullif(current_setting('pgfigi.keep_counts', true), '')::interval, v_keep);
  exception
    -- A setting that is no interval must not keep processes from writing their counts: health_checks() tells of it.
    when data_exception then null;
  end;
  v_keep := greatest(least(v_keep, interval '1000 years'), interval '1 hour');
  delete from figi_private.minute_counts c
  where c.ctid = any (array(
    select o.ctid
    from figi_private.minute_counts o
    where o.minute < v_now - v_keep
    limit 20000
    for update skip locked
  ));
  delete from figi_private.size_samples s
  where s.minute < v_now - v_keep;
  delete from figi_private.processes p
  where p.ctid = any (array(
    select o.ctid
    from figi_private.processes o
    where o.seen_at < v_now - interval '1 day'
    for update skip locked
  ));
end
$$;

revoke execute on function figi_private.keep_house() from public;
comment on function figi_private.keep_house() is
  'At most once a minute, whoever calls: folds mapping_counts, samples how much there is, and forgets counts and samples older than the setting pgfigi.keep_counts (8 days; at least 1 hour, at most 1000 years) and processes that have not been seen for a day. Never waits for another session.';
--! EndIncluded functions/keep_house.sql
--! Included functions/record_counts.sql
-- The rows of counts are locked last, until the end of the transaction. A flush that is tried again, since nobody knows
-- whether it was written, is told by its number. Whatever is wrong with the house, a process still gives its sign of life:
-- without it others would take it for dead. Most calls find the house kept, and need no subtransaction.
create or replace function figi_private.record_counts(p_process jsonb, p_flush bigint, p_counts jsonb)
returns boolean
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_is_new boolean;
begin
  if not exists (select from figi_private.size_samples s where s.minute = date_trunc('minute', clock_timestamp())) then
    begin
      perform figi_private.keep_house();
    exception
      when others then
        raise warning 'pgfigi could not keep house: % (%)', sqlerrm, sqlstate
          using hint = 'The health check settings names settings that cannot be read. Counts and signs of life are written all the same.';
    end;
  end if;

  insert into figi_private.processes as known (
    process, kind, host, pid, version, latest_migration, worker_ids, flushes
  )
  select p.process, p.kind, p.host, p.pid, p.version, p.latest_migration, coalesce(p.worker_ids, '{}'), p_flush
  from jsonb_to_record(p_process) as p (
    process text, kind text, host text, pid integer, version text, latest_migration text, worker_ids text[]
  )
  on conflict (process) do update
  set
    seen_at = clock_timestamp(),
    worker_ids = excluded.worker_ids,
    flushes = excluded.flushes
  where known.flushes < excluded.flushes;
  v_is_new := found;

  if not v_is_new then
    update figi_private.processes p
    set seen_at = clock_timestamp()
    where p.process = p_process ->> 'process';
    return false;
  end if;
  perform figi_private.add_counts(p_counts);
  return true;
end
$$;

revoke execute on function figi_private.record_counts(jsonb, bigint, jsonb) from public;
comment on function figi_private.record_counts(jsonb, bigint, jsonb) is
  'A process''s sign of life: p_process is an object with process, kind (worker, client, command), host, pid, version, latest_migration and worker_ids. Adds p_counts (see add_counts) unless its flush number p_flush, which rises from 1, was written before: false then. Keeps house, and warns where that fails. Raises PF002 for what are no counts.';
--! EndIncluded functions/record_counts.sql
--! Included functions/process_ended.sql
create or replace function figi_private.process_ended(p_process text)
returns void
language sql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
  delete from figi_private.processes p
  where p.process = p_process
$$;

revoke execute on function figi_private.process_ended(text) from public;
comment on function figi_private.process_ended(text) is
  'A process that ends in order takes its row away; its counts stay.';
--! EndIncluded functions/process_ended.sql
--! Included functions/counts_since.sql
-- Planned for the very instant: an hour goes by the index, a week does not.
create or replace function figi_private.counts_since(p_since timestamptz, p_bucket interval)
returns table (
  at timestamptz,
  counter text,
  labels jsonb,
  count bigint
)
language plpgsql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set jit to off
as $$
#variable_conflict use_column
begin
  return query
    select b.at, b.counter, b.labels, sum(b.count)::bigint
    from (
      select date_bin(p_bucket, m.minute, timestamptz '2000-01-01 00:00+00') as at, m.counter, m.labels, m.count
      from figi_private.minute_counts m
      where m.minute >= date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00+00')
    ) b
    group by b.at, b.counter, b.labels
    order by b.at, b.counter, b.labels;
end
$$;

revoke execute on function figi_private.counts_since(timestamptz, interval) from public;
comment on function figi_private.counts_since(timestamptz, interval) is
  'What was counted since then, the bucket that holds it included, summed over buckets that lie at whole multiples in UTC: at is where a bucket begins. Buckets without counts are left out.';
--! EndIncluded functions/counts_since.sql
--! Included functions/sizes_since.sql
create or replace function figi_private.sizes_since(p_since timestamptz, p_bucket interval)
returns table (
  at timestamptz,
  found bigint,
  negatives bigint,
  stale bigint,
  ended bigint,
  waiting bigint,
  gave_up bigint
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select distinct on (b.at) b.at, s.found, s.negatives, s.stale, s.ended, s.waiting, s.gave_up
  from figi_private.size_samples s
  cross join lateral (select date_bin(p_bucket, s.minute, timestamptz '2000-01-01 00:00+00') as at) b
  where s.minute >= date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00+00')
  order by b.at, s.minute desc
$$;

revoke execute on function figi_private.sizes_since(timestamptz, interval) from public;
comment on function figi_private.sizes_since(timestamptz, interval) is
  'How much there was since then, the last sample of each bucket (see counts_since). Buckets without a sample are left out.';
--! EndIncluded functions/sizes_since.sql
--! Included functions/counter_totals.sql
create or replace function figi_private.counter_totals()
returns table (
  counter text,
  labels jsonb,
  total bigint,
  last_at timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.counter, t.labels, t.total, t.last_at
  from figi_private.count_totals t
  order by t.counter, t.labels
$$;

revoke execute on function figi_private.counter_totals() from public;
comment on function figi_private.counter_totals() is
  'What was counted since counting began, and when last: counters that never fall.';
--! EndIncluded functions/counter_totals.sql
--! Included functions/gauges.sql
create or replace function figi_private.gauges()
returns table (
  gauge text,
  labels jsonb,
  value double precision
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  with known as materialized (
    select m.found, m.negatives, m.stale, m.ended
    from figi_private.mapping_totals() m
  ),
  queue as materialized (
    select q.lookup, q.warming, q.refresh, q.gave_up, q.oldest
    from figi_private.queue_totals() q
  ),
  budget as materialized (
    select b.used, b.blocked_for, b.requests_per_second
    from figi_private.budget_use() b
  )
  select g.gauge, g.labels::jsonb, g.value::float8
  from known k
  cross join queue q
  cross join budget b
  cross join lateral (
    values
      ('mappings', '{"kind": "found"}', k.found::float8),
      ('mappings', '{"kind": "negative"}', k.negatives),
      ('stale_mappings', '{}', k.stale),
      ('ended_periods', '{}', k.ended),
      ('pending_requests', '{"priority": "lookup"}', q.lookup),
      ('pending_requests', '{"priority": "warming"}', q.warming),
      ('pending_requests', '{"priority": "refresh"}', q.refresh),
      ('gave_up_requests', '{}', q.gave_up),
      (
        'oldest_request_age_seconds', '{}',
        coalesce(greatest(extract(epoch from statement_timestamp() - q.oldest), 0), 0)
      ),
      ('budget_used_ratio', '{}', b.used),
      ('budget_blocked_seconds', '{}', coalesce(extract(epoch from b.blocked_for), 0)),
      (
        'worker_last_seen_timestamp_seconds', '{}',
        (select extract(epoch from max(p.seen_at)) from figi_private.processes p where p.kind = 'worker')
      ),
      (
        'backlog_seconds', '{}',
        case q.lookup + q.warming + q.refresh
          when 0 then 0
          else
            (q.lookup + q.warming + q.refresh)
              / (nullif(figi_private.identifiers_per_request(), 0) * b.requests_per_second)
        end
      )
  ) as g (gauge, labels, value)
  where g.value is not null
$$;

revoke execute on function figi_private.gauges() from public;
comment on function figi_private.gauges() is
  'What there is now, as /metrics gives it: mappings, requests, the limit''s use, when a worker was seen last, and how long the backlog takes at the full limit. What is unknown is left out. It never counts the table of mappings.';
--! EndIncluded functions/gauges.sql

-- It has more columns, so it is made anew; who may call it stays as it was.
do $$
begin
  perform set_config('pgfigi.kept_grants', 'select' || coalesce((
    select string_agg(
      format('; grant execute on function public.cache_stats() to %s%s', a.grantee::regrole, case when a.is_grantable then ' with grant option' end), ''
    )
    from pg_proc p
    cross join lateral aclexplode(p.proacl) a
    where p.oid = 'public.cache_stats()'::regprocedure
      and a.grantee not in (0, p.proowner)
  ), ''), true);
end
$$;
drop function public.cache_stats();
--! Included functions/cache_stats.sql
create or replace function public.cache_stats()
returns table (
  total_cached bigint,
  found_cached bigint,
  not_found_cached bigint,
  stale bigint,
  history_rows bigint,
  pending bigint,
  gave_up bigint,
  hit_rate_1h numeric,
  hit_rate_24h numeric,
  budget_used numeric
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    m.found + m.negatives,
    m.found,
    m.negatives,
    m.stale,
    m.ended,
    q.lookup + q.warming + q.refresh,
    q.gave_up,
    h.last_hour,
    h.last_day,
    b.used
  from figi_private.mapping_totals() m
  cross join figi_private.queue_totals() q
  cross join figi_private.hit_rates() h
  cross join figi_private.budget_use() b
$$;

revoke execute on function public.cache_stats() from public;
comment on function public.cache_stats() is
  'How much is cached, in one row, and fast however much that is: identifiers in all, with a ticker, with none (negatives), those past their age, closed periods, requests that wait or gave up; the share of the counted lookups of the last hour and day that were answered from what is known and young enough (0 to 1, null without lookups; what SQL sessions look up is not among them), and the share of the request limit in use now (null before the first request).';
--! EndIncluded functions/cache_stats.sql
do $$
begin
  execute current_setting('pgfigi.kept_grants');
end
$$;

--! Included tables/health.sql
create type figi_private.health_measure as (
  value numeric,
  status text,
  fact text,
  remedy text
);
comment on type figi_private.health_measure is
  'What one health check found: the value in the check''s unit; the status where the thresholds do not decide it, else null; what is; what to do about it.';

-- What gave up is counted and listed also while a million requests wait.
create index fetch_requests_gave_up
  on figi_private.fetch_requests (gave_up_at)
  where gave_up_at is not null;

-- For the share of negatives over a week, among all that is counted in it.
create index minute_counts_answers
  on figi_private.minute_counts (minute)
  where counter = 'openfigi_answers';
--! EndIncluded tables/health.sql
--! Included functions/duration_in_words.sql
create or replace function figi_private.duration_in_words(p_seconds numeric)
returns text
language sql
immutable
parallel safe
as $$
  select case
    when p_seconds < 120 then round(p_seconds) || ' s'
    when p_seconds < 7200 then round(p_seconds / 60) || ' min'
    when p_seconds < 172800 then round(p_seconds / 3600) || ' h'
    else round(p_seconds / 86400) || ' days'
  end
$$;

revoke execute on function figi_private.duration_in_words(numeric) from public;
comment on function figi_private.duration_in_words(numeric) is
  'So many seconds as a person says it: 45 s, 12 min, 3 h, 2 days.';
--! EndIncluded functions/duration_in_words.sql
--! Included functions/count_in_words.sql
create or replace function figi_private.count_in_words(p_count bigint, p_one text, p_many text)
returns text
language sql
immutable
parallel safe
as $$
  select case
    when p_count > 100000 then 'more than 100,000 ' || p_many
    else ltrim(to_char(p_count, 'FM999,999')) || ' ' || case p_count when 1 then p_one else p_many end
  end
$$;

revoke execute on function figi_private.count_in_words(bigint, text, text) from public;
comment on function figi_private.count_in_words(bigint, text, text) is
  'A number with its noun, for example 1 request and 1,200 requests; above 100,000, where counting stops, only that.';
--! EndIncluded functions/count_in_words.sql
--! Included functions/health_list.sql
-- The one list of the checks, in the order in which everything shows them.
create or replace function figi_private.health_list()
returns table (place integer, name text, unit text, warns_at numeric, fails_at numeric)
language sql
immutable
parallel safe
rows 17
as $$
  values
    (1, 'laws', 'broken laws', 1, 1),
    (2, 'migrations', 'migrations', 1, 1),
    (3, 'worker_seen', 'seconds', 60, 300),
    (4, 'oldest_request', 'seconds', 300, 3600),
    (5, 'gave_up', 'requests', 1, 1000),
    (6, 'last_answer', 'seconds', 300, 1800),
    (7, 'budget_blocked', 'seconds', 60, 300),
    (8, 'key_refused', 'answers', 1, 1),
    (9, 'rate_limited', 'answers', 1, 20),
    (10, 'stale_share', 'share', 0.5, 0.95),
    (11, 'negative_share', 'share', 0.25, 0.5),
    (12, 'dead_jobs', 'jobs', 1, null),
    (13, 'failed_jobs', 'jobs', 1, null),
    (14, 'replica_lag', 'seconds', 30, 300),
    (15, 'bloat', 'share', 0.4, 0.7),
    (16, 'connections', 'share', 0.75, 0.95),
    (17, 'settings', 'settings', 1, null)
$$;

revoke execute on function figi_private.health_list() from public;
comment on function figi_private.health_list() is
  'The health checks in their order, each with its unit and the values from which it warns and fails by default (null: it never fails).';
--! EndIncluded functions/health_list.sql
--! Included functions/health_threshold.sql
create or replace function figi_private.health_threshold(p_setting text, p_default numeric)
returns numeric
language sql
stable
as $$
  select case
    when current_setting(p_setting, true) ~ '^\s*[0-9]{1,15}(\.[0-9]{1,9})?\s*$' then current_setting(p_setting, true)::numeric
    else p_default
  end
$$;

revoke execute on function figi_private.health_threshold(text, numeric) from public;
comment on function figi_private.health_threshold(text, numeric) is
  'The value of a setting, or the default where it is not set or no number from 0 (which the check called settings tells).';
--! EndIncluded functions/health_threshold.sql
--! Included functions/is_interval.sql
-- Whether a text is an interval only a cast tells, and that raises.
create or replace function figi_private.is_interval(p_text text)
returns boolean
language plpgsql
stable
as $$
begin
  perform p_text::interval;
  return true;
exception
  when others then
    return false;
end
$$;

revoke execute on function figi_private.is_interval(text) from public;
comment on function figi_private.is_interval(text) is
  'Whether a text can be read as an interval, for example 60 days.';
--! EndIncluded functions/is_interval.sql
--! Included functions/seconds_since.sql
create or replace function figi_private.seconds_since(p_at timestamptz)
returns numeric
language sql
volatile
strict
as $$
  select greatest(round(extract(epoch from clock_timestamp() - p_at), 1), 0)
$$;

revoke execute on function figi_private.seconds_since(timestamptz) from public;
comment on function figi_private.seconds_since(timestamptz) is
  'How many seconds ago an instant was, by the clock; zero for one to come, null for none.';
--! EndIncluded functions/seconds_since.sql
--! Included functions/oldest_requests.sql
-- Six probes of the queue's index, whatever its size: by its order the oldest of each round and priority stands first. Equal
-- signs in their place, and the planner would walk along the ids instead, past all that is of another priority.
create or replace function figi_private.oldest_requests()
returns table (priority smallint, requested_at timestamptz)
language sql
stable
rows 3
as $$
  select p.priority, min(oldest.requested_at)
  from (values (0::smallint), (1::smallint), (2::smallint)) as p (priority)
  cross join (values (false), (true)) as round (unfiltered)
  cross join lateral (
    select r.unfiltered, r.priority, r.requested_at
    from figi_private.fetch_requests r
    where r.gave_up_at is null
      and (r.unfiltered, r.priority, r.id) >= (round.unfiltered, p.priority, 0)
    order by r.unfiltered, r.priority, r.id
    limit 1
  ) oldest
  where oldest.unfiltered = round.unfiltered
    and oldest.priority = p.priority
  group by p.priority
$$;

revoke execute on function figi_private.oldest_requests() from public;
comment on function figi_private.oldest_requests() is
  'Since when the oldest request of each priority has waited; no row for a priority of which nothing waits.';
--! EndIncluded functions/oldest_requests.sql
--! Included functions/our_jobs.sql
-- A string body, and only the worker's public view, as everywhere: its schema may be absent, and upgrades itself.
create or replace function figi_private.our_jobs()
returns table (
  id bigint,
  task text,
  state text,
  run_at timestamptz,
  attempts integer,
  max_attempts integer,
  locked_at timestamptz,
  locked_by text,
  last_error text
)
language plpgsql
stable
as $$
declare
  v_living text[];
begin
  if to_regclass('graphile_worker.jobs') is null then
    return;
  end if;
  v_living := array(
    select unnest(p.worker_ids)
    from figi_private.processes p
    where p.seen_at > clock_timestamp() - interval '1 minute'
  );
  return query
    select
      j.id::bigint,
      j.task_identifier::text,
      case
        when j.locked_by is not null then
          case
            when j.locked_at < clock_timestamp() - interval '1 minute' and j.locked_by <> all (v_living) then 'dead worker'
            else 'running'
          end
        when j.attempts >= j.max_attempts then 'failed'
        when j.run_at > clock_timestamp() then 'later'
        else 'ready'
      end,
      j.run_at,
      j.attempts::integer,
      j.max_attempts::integer,
      j.locked_at,
      j.locked_by::text,
      j.last_error::text
    from graphile_worker.jobs j
    where j.task_identifier in ('fetch_mappings', 'refresh_stale_mappings');
end
$$;

revoke execute on function figi_private.our_jobs() from public;
comment on function figi_private.our_jobs() is
  'The jobs of pgfigi''s own tasks, each with its state: ready, later, running, failed (no attempt is left), or dead worker (locked for more than a minute by a worker that no process seen within a minute names); none where graphile-worker is absent.';
--! EndIncluded functions/our_jobs.sql
--! Included functions/broken_guards.sql
-- What keeps the laws: without it nothing need be broken yet, but it can be at any time.
create or replace function figi_private.broken_guards()
returns table (law text)
language sql
stable
as $$
  with mappings as (
    select c.oid, true as is_whole
    from pg_class c
    where c.oid = to_regclass('public.security_mappings')
    union all
    select t.relid, false
    from pg_partition_tree(to_regclass('public.security_mappings')) t
    where t.level > 0
  )
  select format('trigger %s is missing', wanted.name)
  from (values ('forbid_overlap_after_insert'), ('forbid_overlap_after_update')) as wanted (name)
  where not exists (
    select
    from pg_trigger t
    join mappings m on m.oid = t.tgrelid and m.is_whole
    where t.tgname = wanted.name
  )
  union all
  select format('trigger %s on %s is disabled', t.tgname, t.tgrelid::regclass)
  from mappings m
  join pg_trigger t on t.tgrelid = m.oid
  join pg_proc p on p.oid = t.tgfoid
  where p.pronamespace = 'figi_private'::regnamespace
    and t.tgenabled not in ('O', 'A')
  union all
  select format('constraint %s is missing', wanted.name)
  from (values
    ('security_mappings_identifier_is_well_formed'),
    ('security_mappings_has_no_results_exactly_when_ticker_is_null'),
    ('security_mappings_ticker_is_not_blank'),
    ('security_mappings_period_is_not_empty'),
    ('security_mappings_dates_are_finite'),
    ('security_mappings_source_is_known'),
    ('security_mappings_alternatives_is_an_array')
  ) as wanted (name)
  where not exists (
    select
    from pg_constraint c
    join mappings m on m.oid = c.conrelid and m.is_whole
    where c.conname = wanted.name
  )
  union all
  select format('constraint %s on %s is not validated', c.conname, c.conrelid::regclass)
  from mappings m
  join pg_constraint c on c.conrelid = m.oid
  where c.contype = 'c'
    and not c.convalidated
  union all
  select format('unique index %s is missing', wanted.name)
  from (values ('security_mappings_history'), ('security_mappings_one_open_row')) as wanted (name)
  where not exists (
    select
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join mappings m on m.oid = i.indrelid and m.is_whole
    where c.relname = wanted.name
      and i.indisunique
  )
  union all
  select format('unique index %s is not valid', i.indexrelid::regclass)
  from mappings m
  join pg_index i on i.indrelid = m.oid
  where i.indisunique
    and not (i.indisvalid and i.indisready and i.indislive)
$$;

revoke execute on function figi_private.broken_guards() from public;
comment on function figi_private.broken_guards() is
  'The triggers, check constraints and unique indexes of security_mappings, its partitions included, that are missing or do not guard: one sentence each.';
--! EndIncluded functions/broken_guards.sql
--! Included functions/broken_rows.sql
-- The check constraints once more, for rows that came in while they were missing.
create or replace function figi_private.broken_rows(p_percent real)
returns table (law text, identifier_type text, identifier_value text)
language sql
stable
as $$
  select distinct looked.law, looked.identifier_type, looked.identifier_value
  from (
    select
      m.identifier_type,
      m.identifier_value,
      case
        when case m.identifier_type
          when 'CUSIP' then octet_length(m.identifier_value) = 9 and m.identifier_value ~ '^[0-9A-Z*@#]*[0-9]$'
          when 'ISIN' then octet_length(m.identifier_value) = 12 and m.identifier_value ~ '^[A-Z][A-Z][0-9A-Z]*[0-9]$'
          else false
        end is false then 'security_mappings_identifier_is_well_formed'
        when m.has_no_results <> (m.ticker is null) then 'security_mappings_has_no_results_exactly_when_ticker_is_null'
        when m.ticker = '' then 'security_mappings_ticker_is_not_blank'
        when m.start_date >= m.end_date then 'security_mappings_period_is_not_empty'
        when (isfinite(m.start_date) and isfinite(m.end_date) and isfinite(m.last_fetched_date)) is false
          then 'security_mappings_dates_are_finite'
        when m.source not in ('openfigi', 'import', 'sec_ftd') then 'security_mappings_source_is_known'
        when jsonb_typeof(m.alternatives) <> 'array' then 'security_mappings_alternatives_is_an_array'
      end as law
    from (
      select s.*
      from public.security_mappings s tablesample system (p_percent)
      union all
      (
        select l.*
        from public.security_mappings l
        order by l.id desc
        limit case when p_percent < 100 then 500 else 0 end
      )
    ) m
  ) looked
  where looked.law is not null
  limit 100
$$;

revoke execute on function figi_private.broken_rows(real) from public;
comment on function figi_private.broken_rows(real) is
  'Rows that break a check constraint, among so many percent of the table''s pages and its latest 500 rows, at most 100.';
--! EndIncluded functions/broken_rows.sql
--! Included functions/overlapping_in_sample.sql
-- A probe of the index for each row of the sample; offset 0 leaves the planner no join.
create or replace function figi_private.overlapping_in_sample(p_percent real)
returns table (identifier_type text, identifier_value text)
language sql
stable
as $$
  select distinct m.identifier_type, m.identifier_value
  from (
    select s.*
    from public.security_mappings s tablesample system (p_percent)
    union all
    (
      select l.*
      from public.security_mappings l
      order by l.id desc
      limit case when p_percent < 100 then 500 else 0 end
    )
  ) m
  where exists (
    select
    from public.security_mappings other
    where other.identifier_type = m.identifier_type
      and other.identifier_value = m.identifier_value
      and other.id <> m.id
      and other.start_date < coalesce(m.end_date, 'infinity')
      and coalesce(other.end_date, 'infinity') > m.start_date
    offset 0
  )
  limit 100
$$;

revoke execute on function figi_private.overlapping_in_sample(real) from public;
comment on function figi_private.overlapping_in_sample(real) is
  'Identifiers with a period that overlaps another one, among so many percent of the table''s pages and its latest 500 rows, at most 100.';
--! EndIncluded functions/overlapping_in_sample.sql
--! Included functions/overlapping_periods.sql
-- The rows themselves are read and sorted: an index that lacks some of them hides nothing.
create or replace function figi_private.overlapping_periods()
returns table (identifier_type text, identifier_value text)
language sql
stable
set enable_indexscan to off
set enable_indexonlyscan to off
set enable_bitmapscan to off
as $$
  select periods.identifier_type, periods.identifier_value
  from (
    select
      m.identifier_type,
      m.identifier_value,
      m.start_date < max(coalesce(m.end_date, 'infinity')) over (
        partition by m.identifier_type, m.identifier_value
        order by m.start_date, m.id
        rows between unbounded preceding and 1 preceding
      ) as overlaps
    from public.security_mappings m
  ) periods
  where periods.overlaps
  limit 100
$$;

revoke execute on function figi_private.overlapping_periods() from public;
comment on function figi_private.overlapping_periods() is
  'Identifiers with overlapping periods in the whole table, two open rows included, at most 100.';
--! EndIncluded functions/overlapping_periods.sql
--! Included functions/counts_by_index.sql
-- What only these two indexes can serve in order; what is counted is what lookups can find.
create or replace function figi_private.counts_by_index(out periods bigint, out open_rows bigint)
language sql
stable
set enable_seqscan to off
set enable_bitmapscan to off
set enable_sort to off
set enable_incremental_sort to off
as $$
  select
    (
      select count(*)
      from (
        select m.start_date
        from public.security_mappings m
        order by m.identifier_type, m.identifier_value, m.start_date
        offset 0
      ) by_history
    ),
    (
      select count(*)
      from (
        select m.identifier_value
        from public.security_mappings m
        where m.end_date is null
        order by m.identifier_type, m.identifier_value
        offset 0
      ) by_open_rows
    )
$$;

revoke execute on function figi_private.counts_by_index() from public;
comment on function figi_private.counts_by_index() is
  'How many rows the index of the history and that of the open rows find: as many as the table has, unless an index is damaged.';
--! EndIncluded functions/counts_by_index.sql
--! Included functions/broken_laws.sql
create or replace function figi_private.broken_laws(p_whole boolean)
returns table (law text, identifier_type text, identifier_value text)
language plpgsql
stable
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set jit to off
as $$
declare
  v_pages numeric;
  v_percent real := 100;
  v_rows record;
  v_counted record;
begin
  if not p_whole then
    -- Some 50 rows fill a page: 20 pages are a thousand rows.
    v_pages := (
      pg_relation_size('public.security_mappings') + (
        select coalesce(sum(pg_relation_size(t.relid)) filter (where t.level > 0), 0)
        from pg_partition_tree('public.security_mappings') t
      )
    ) / current_setting('block_size')::numeric;
    v_percent := least(100, 2000 / greatest(v_pages, 1));
  end if;

  return query
    select r.law, r.identifier_type, r.identifier_value
    from figi_private.broken_rows(v_percent) r;

  if not p_whole then
    return query
      select 'security_mappings_periods_do_not_overlap', o.identifier_type, o.identifier_value
      from figi_private.overlapping_in_sample(v_percent) o;
  else
    return query
      select 'security_mappings_periods_do_not_overlap', o.identifier_type, o.identifier_value
      from figi_private.overlapping_periods() o;
  end if;

  return query
    select g.law, null::text, null::text
    from figi_private.broken_guards() g;

  if not p_whole then
    return;
  end if;

  select
    count(*) as periods,
    count(*) filter (where m.end_date is null) as open_rows,
    count(*) filter (where m.end_date is null and not m.has_no_results) as found,
    count(*) filter (where m.end_date is null and m.has_no_results) as negatives,
    count(*) filter (where m.end_date is not null) as ended
  into v_rows
  from public.security_mappings m;

  select c.periods, c.open_rows
  into v_counted
  from figi_private.counts_by_index() c;
  if v_counted.periods <> v_rows.periods then
    law := format('index security_mappings_history has %s of %s rows', v_counted.periods, v_rows.periods);
    return next;
  end if;
  if v_counted.open_rows <> v_rows.open_rows then
    law := format('index security_mappings_one_open_row has %s of %s rows', v_counted.open_rows, v_rows.open_rows);
    return next;
  end if;

  select coalesce(sum(c.found), 0) as found, coalesce(sum(c.negatives), 0) as negatives, coalesce(sum(c.ended), 0) as ended
  into v_counted
  from figi_private.mapping_counts c;
  if (v_counted.found, v_counted.negatives, v_counted.ended) <> (v_rows.found, v_rows.negatives, v_rows.ended) then
    law := format(
      'mapping_counts says %s found, %s negatives, %s ended, and there are %s, %s, %s (figi_private.recount_mappings() puts that right)',
      v_counted.found, v_counted.negatives, v_counted.ended, v_rows.found, v_rows.negatives, v_rows.ended
    );
    return next;
  end if;
end
$$;

revoke execute on function figi_private.broken_laws(boolean) from public;
comment on function figi_private.broken_laws(boolean) is
  'The laws of security_mappings that are broken, or no longer guarded, with an identifier where one breaks them: at most 100 rows a law. Looks at some thousand rows; with p_whole at all, at both unique indexes, and at the sums of mapping_counts.';
--! EndIncluded functions/broken_laws.sql
--! Included functions/check_laws.sql
create or replace function figi_private.check_laws(p_whole boolean)
returns figi_private.health_measure
language sql
stable
as $$
  select
    count(*)::numeric,
    null,
    case
      when count(*) > 0 then format(
        'Broken: %s%s.',
        (array_agg(b.law || case when b.identifier_value is null then '' else format(' (%s %s)', b.identifier_type, b.identifier_value) end order by b.place))[1],
        case when count(*) > 1 then format(', and %s more', count(*) - 1) else '' end
      )
      when p_whole then 'The laws of security_mappings hold in all of its rows.'
      else 'The laws of security_mappings hold in a sample of its rows.'
    end,
    case
      when p_whole then 'Put right what is named, as its owner.'
      else 'pgfigi health --whole finds all there is; put right what is named, as the owner of the table.'
    end
  from figi_private.broken_laws(p_whole) with ordinality as b (law, identifier_type, identifier_value, place)
$$;

revoke execute on function figi_private.check_laws(boolean) from public;
comment on function figi_private.check_laws(boolean) is
  'How many laws of security_mappings are found broken, in a sample or with p_whole in all rows.';
--! EndIncluded functions/check_laws.sql
--! Included functions/check_migrations.sql
-- A string body: graphile_migrate may be absent, and is not ours.
create or replace function figi_private.check_migrations(p_latest_migration text)
returns figi_private.health_measure
language plpgsql
stable
as $$
declare
  v_caller text := substring(p_latest_migration from '^\d{6}');
  v_applied text;
  v_expected text;
  v_behind record;
  v_remedy constant text := 'Run pgfigi migrate up, as the owner of the schema.';
begin
  if to_regclass('graphile_migrate.migrations') is not null then
    select max(substring(m.filename from '^\d{6}'))
    into v_applied
    from graphile_migrate.migrations m;
  end if;
  if v_applied is null then
    return row(null, 'fail', 'No migration is recorded in graphile_migrate.migrations.', v_remedy)::figi_private.health_measure;
  end if;

  v_expected := greatest(v_caller, (
    select max(substring(p.latest_migration from '^\d{6}'))
    from figi_private.processes p
    where p.seen_at > clock_timestamp() - interval '1 minute'
  ));
  if v_expected > v_applied then
    return row(
      v_expected::integer - v_applied::integer, 'fail',
      format('The database is at migration %s, and pgfigi at %s.', v_applied, v_expected), v_remedy
    )::figi_private.health_measure;
  end if;

  select count(*) over () as count, p.kind, p.host, p.pid, p.version, substring(p.latest_migration from '^\d{6}') as knows
  into v_behind
  from figi_private.processes p
  where p.seen_at > clock_timestamp() - interval '1 minute'
    and substring(p.latest_migration from '^\d{6}') < v_applied
  order by p.started_at
  limit 1;
  if v_behind.count > 0 then
    return row(
      0, 'warn',
      format(
        'The database is at migration %s; the %s with pid %s on %s (pgfigi %s)%s knows only %s.',
        v_applied, v_behind.kind, v_behind.pid, v_behind.host, v_behind.version,
        case when v_behind.count > 1 then format(', and %s more,', v_behind.count - 1) else '' end, v_behind.knows
      ),
      'Upgrade pgfigi there, and restart it.'
    )::figi_private.health_measure;
  end if;
  if v_caller < v_applied then
    return row(
      0, 'warn', format('The database is at migration %s; the pgfigi that asks knows only %s.', v_applied, v_caller),
      'Upgrade it.'
    )::figi_private.health_measure;
  end if;
  return row(0, 'ok', format('The database is at migration %s, and nothing is pending.', v_applied), v_remedy)::figi_private.health_measure;
end
$$;

revoke execute on function figi_private.check_migrations(text) from public;
comment on function figi_private.check_migrations(text) is
  'By how many migrations the database is behind the newest that the caller or a living process knows; warns where a living process knows less than what is applied.';
--! EndIncluded functions/check_migrations.sql
--! Included functions/check_worker_seen.sql
create or replace function figi_private.check_worker_seen()
returns figi_private.health_measure
language sql
stable
as $$
  select
    worker.age,
    case
      when worker.age is null then case when waiting.age > 60 then 'fail' else 'warn' end
    end,
    case
      when worker.age is not null then format('A worker was seen %s ago.', figi_private.duration_in_words(worker.age))
      when waiting.age > 60 then
        format('No worker runs, and requests have waited for %s.', figi_private.duration_in_words(waiting.age))
      else 'No worker runs.'
    end,
    'Start one with pgfigi worker (or pgfigi start); where one should run, its log says why it does not.'
  from (
    select figi_private.seconds_since(max(p.seen_at)) as age
    from figi_private.processes p
    where p.kind = 'worker'
  ) worker
  cross join (
    select figi_private.seconds_since(min(o.requested_at)) as age
    from figi_private.oldest_requests() o
  ) waiting
$$;

revoke execute on function figi_private.check_worker_seen() from public;
comment on function figi_private.check_worker_seen() is
  'Seconds since a worker was seen; where there is none at all it warns, and fails once requests have waited for a minute.';
--! EndIncluded functions/check_worker_seen.sql
--! Included functions/check_oldest_request.sql
-- Counted up to 10,000, so that a queue of millions costs no more.
create or replace function figi_private.check_oldest_request()
returns figi_private.health_measure
language sql
stable
as $$
  select
    coalesce(oldest.age, 0),
    null,
    case
      when waiting.count = 0 then 'Nothing waits to be fetched.'
      when oldest.age is null then format('No lookup waits; %s in all.', waiting.words)
      else format('The oldest lookup has waited for %s; %s in all.', figi_private.duration_in_words(oldest.age), waiting.words)
    end,
    'See that a worker runs (worker_seen), that OpenFIGI answers (last_answer), and whether the budget is blocked.'
  from (
    select figi_private.seconds_since(min(o.requested_at)) as age
    from figi_private.oldest_requests() o
    where o.priority = 0
  ) oldest
  cross join (
    select
      count(*) as count,
      case
        when count(*) > 10000 then 'more than 10,000 requests wait'
        else figi_private.count_in_words(count(*), 'request waits', 'requests wait')
      end as words
    from (
      select
      from figi_private.fetch_requests r
      where r.gave_up_at is null
      limit 10001
    ) counted
  ) waiting
$$;

revoke execute on function figi_private.check_oldest_request() from public;
comment on function figi_private.check_oldest_request() is
  'Seconds that the oldest request for which somebody waits (priority 0) has waited.';
--! EndIncluded functions/check_oldest_request.sql
--! Included functions/check_gave_up.sql
create or replace function figi_private.check_gave_up()
returns figi_private.health_measure
language sql
stable
as $$
  select
    gave_up.count,
    null,
    case gave_up.count
      when 0 then 'No request gave up.'
      else format(
        '%s, the latest: %s %s, %s.',
        figi_private.count_in_words(gave_up.count, 'request gave up', 'requests gave up'),
        latest.identifier_type, latest.identifier_value, coalesce(quote_literal(left(latest.last_error, 100)), 'without an error')
      )
    end,
    'The page lists them with their errors under Requests, and retries them; a lookup asks anew, too.'
  from (
    select count(*) as count
    from (
      select
      from figi_private.fetch_requests r
      where r.gave_up_at is not null
      limit 100001
    ) counted
  ) gave_up
  left join (
    select r.identifier_type, r.identifier_value, r.last_error
    from figi_private.fetch_requests r
    where r.gave_up_at is not null
    order by r.gave_up_at desc
    limit 1
  ) latest on true
$$;

revoke execute on function figi_private.check_gave_up() from public;
comment on function figi_private.check_gave_up() is
  'How many requests gave up: OpenFIGI answered each with an error, four times.';
--! EndIncluded functions/check_gave_up.sql
--! Included functions/check_last_answer.sql
-- From an idle night nothing follows: the silence counts from when something began to wait. And where nothing was sent since
-- then, because no worker ran say, nothing follows for OpenFIGI: worker_seen fails for that.
create or replace function figi_private.check_last_answer()
returns figi_private.health_measure
language sql
stable
as $$
  select
    case when v.has_waited then least(v.answer_age, v.waiting_age) else v.answer_age end,
    case
      when not v.has_waited then 'ok'
      when v.was_asked then null
      when least(v.answer_age, v.waiting_age) >= v.warns_at then 'warn'
      else 'ok'
    end,
    case
      when v.answer_age is null then 'OpenFIGI has not answered since counting began'
      else format('OpenFIGI answered %s ago', figi_private.duration_in_words(v.answer_age))
    end || case
      when v.has_waited then
        format(', and requests have waited for %s', figi_private.duration_in_words(v.waiting_age))
          || case when v.was_asked then '.' else '; nothing was asked meanwhile.' end
      else '.'
    end,
    'The worker''s log says what its requests end with; see also worker_seen, key_refused and budget_blocked.'
  from (
    select
      figi_private.seconds_since(sent.answered_at) as answer_age,
      figi_private.seconds_since(waiting.since) as waiting_age,
      coalesce(figi_private.seconds_since(waiting.since) > 60, false) as has_waited,
      coalesce(sent.sent_at >= waiting.since, false) as was_asked,
      (
        select figi_private.health_threshold(format('pgfigi.health_%s_warn', l.name), l.warns_at)
        from figi_private.health_list() l
        where l.name = 'last_answer'
      ) as warns_at
    from (
      select max(t.last_at) as sent_at, max(t.last_at) filter (where t.labels ->> 'code' = '200') as answered_at
      from figi_private.count_totals t
      where t.counter = 'openfigi_requests'
    ) sent
    cross join (
      select min(o.requested_at) as since
      from figi_private.oldest_requests() o
    ) waiting
  ) v
$$;

revoke execute on function figi_private.check_last_answer() from public;
comment on function figi_private.check_last_answer() is
  'Seconds since OpenFIGI answered a request with 200; where something has waited for more than a minute, but no longer than that, and else it is well. It warns at most where nothing was sent to OpenFIGI since then.';
--! EndIncluded functions/check_last_answer.sql
--! Included functions/check_budget_blocked.sql
create or replace function figi_private.check_budget_blocked()
returns figi_private.health_measure
language sql
stable
as $$
  select
    blocked.seconds,
    null,
    case
      when blocked.seconds > 0 then
        format('Nothing is sent to OpenFIGI for another %s.', figi_private.duration_in_words(blocked.seconds))
      else 'The budget is open.'
    end,
    'OpenFIGI said so (429, or nothing remains); it opens by itself. See rate_limited: something else may use the same key.'
  from (
    select coalesce(max(greatest(round(extract(epoch from b.blocked_until - clock_timestamp()), 1), 0)), 0) as seconds
    from figi_private.api_budgets b
    where isfinite(b.blocked_until)
  ) blocked
$$;

revoke execute on function figi_private.check_budget_blocked() from public;
comment on function figi_private.check_budget_blocked() is
  'Seconds until the budget that is blocked longest opens again; zero where all are open.';
--! EndIncluded functions/check_budget_blocked.sql
--! Included functions/check_key_refused.sql
create or replace function figi_private.check_key_refused()
returns figi_private.health_measure
language sql
stable
as $$
  select
    case when answered.last_at > refused.last_at then 0 else hour.count end,
    null,
    case
      when hour.count = 0 then 'OpenFIGI refused no request within the last hour.'
      when answered.last_at > refused.last_at then
        format('OpenFIGI refused %s within the last hour, and has answered since.', figi_private.count_in_words(hour.count, 'request', 'requests'))
      else
        format('OpenFIGI refused %s within the last hour (401 or 403), and has answered none since.', figi_private.count_in_words(hour.count, 'request', 'requests'))
    end,
    'Put a valid key into OPENFIGI_API_KEY (free, from https://www.openfigi.com/api) and restart the worker.'
  from (
    select coalesce(sum(c.count), 0)::bigint as count
    from figi_private.minute_counts c
    where c.minute > statement_timestamp() - interval '1 hour'
      and c.counter = 'openfigi_requests'
      and c.labels ->> 'code' in ('401', '403')
  ) hour
  cross join (
    select max(t.last_at) as last_at
    from figi_private.count_totals t
    where t.counter = 'openfigi_requests'
      and t.labels ->> 'code' in ('401', '403')
  ) refused
  cross join (
    select max(t.last_at) as last_at
    from figi_private.count_totals t
    where t.counter = 'openfigi_requests'
      and t.labels ->> 'code' = '200'
  ) answered
$$;

revoke execute on function figi_private.check_key_refused() from public;
comment on function figi_private.check_key_refused() is
  'Answers 401 and 403 within the last hour, unless a 200 came after them.';
--! EndIncluded functions/check_key_refused.sql
--! Included functions/check_rate_limited.sql
create or replace function figi_private.check_rate_limited()
returns figi_private.health_measure
language sql
stable
as $$
  select
    hour.count,
    null,
    format('OpenFIGI answered %s within the last hour with 429.', figi_private.count_in_words(hour.count, 'request', 'requests')),
    'Something else uses the same key or address, or OPENFIGI_RATE_LIMIT is higher than OpenFIGI allows.'
  from (
    select coalesce(sum(c.count), 0)::bigint as count
    from figi_private.minute_counts c
    where c.minute > statement_timestamp() - interval '1 hour'
      and c.counter = 'openfigi_requests'
      and c.labels ->> 'code' = '429'
  ) hour
$$;

revoke execute on function figi_private.check_rate_limited() from public;
comment on function figi_private.check_rate_limited() is
  'Answers 429 within the last hour.';
--! EndIncluded functions/check_rate_limited.sql
--! Included functions/check_stale_share.sql
create or replace function figi_private.check_stale_share()
returns figi_private.health_measure
language sql
stable
as $$
  select
    round(t.stale::numeric / nullif(t.found + t.negatives, 0), 4),
    case when t.found + t.negatives < 100 then 'ok' end,
    format(
      '%s of %s current answers are older than %s.',
      ltrim(to_char(t.stale, 'FM999,999,999,999')), ltrim(to_char(t.found + t.negatives, 'FM999,999,999,999')),
      public.cache_max_age()
    ),
    'Let the worker refresh them (OPENFIGI_AUTO_REFRESH_STALE=true), or run pgfigi refresh.'
  from figi_private.mapping_totals() t
$$;

revoke execute on function figi_private.check_stale_share() from public;
comment on function figi_private.check_stale_share() is
  'The share of current answers that are past their age; well below 100 of them.';
--! EndIncluded functions/check_stale_share.sql
--! Included functions/answers_between.sql
-- By an index of their own: a week of minutes holds much else.
create or replace function figi_private.answers_between(p_from timestamptz, p_until timestamptz, out negatives bigint, out answers bigint)
language sql
stable
as $$
  select
    coalesce(sum(counted.count) filter (where counted.outcome = 'none'), 0)::bigint,
    coalesce(sum(counted.count) filter (where counted.outcome in ('none', 'listing')), 0)::bigint
  from (
    select c.labels ->> 'outcome' as outcome, c.count
    from figi_private.minute_counts c
    where c.counter = 'openfigi_answers'
      and c.minute > p_from
      and c.minute <= p_until
    offset 0
  ) counted
$$;

revoke execute on function figi_private.answers_between(timestamptz, timestamptz) from public;
comment on function figi_private.answers_between(timestamptz, timestamptz) is
  'How many of OpenFIGI''s answers told a listing or that there is none, in the minutes after the one instant until the other, and how many of these were negatives.';
--! EndIncluded functions/answers_between.sql
--! Included functions/check_negative_share.sql
create or replace function figi_private.check_negative_share()
returns figi_private.health_measure
language sql
stable
as $$
  select
    case when enough.is_so then round(shares.hour - shares.before, 4) end,
    null,
    case
      when not enough.is_so then
        format('OpenFIGI gave %s within the last hour: too few to tell.', figi_private.count_in_words(hour.answers, 'answer', 'answers'))
      when shares.before is null then 'OpenFIGI gave no answers in the seven days before the last hour to compare with.'
      else format(
        'Of the last hour''s %s answers %s%% were "no such identifier", of those in the seven days before %s%%.',
        hour.answers, round(shares.hour * 100), round(shares.before * 100)
      )
    end,
    'Look at the latest negatives: a source of identifiers may send garbage, or OpenFIGI may be at fault. Clear nothing before you know.'
  from figi_private.answers_between(statement_timestamp() - interval '1 hour', 'infinity') hour
  cross join lateral (select hour.answers >= 50 as is_so) enough
  left join lateral figi_private.answers_between(
    statement_timestamp() - interval '7 days 1 hour', statement_timestamp() - interval '1 hour'
  ) week on enough.is_so
  cross join lateral (
    select
      hour.negatives::numeric / nullif(hour.answers, 0) as hour,
      week.negatives::numeric / nullif(week.answers, 0) as before
  ) shares
$$;

revoke execute on function figi_private.check_negative_share() from public;
comment on function figi_private.check_negative_share() is
  'By how much the share of negatives among the last hour''s answers is above that of the seven days before; null below 50 answers.';
--! EndIncluded functions/check_negative_share.sql
--! Included functions/check_dead_jobs.sql
create or replace function figi_private.check_dead_jobs()
returns figi_private.health_measure
language sql
stable
as $$
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'No job is held by a worker that is gone.'
      else format(
        '%s by a worker that is gone, the oldest since %s.',
        figi_private.count_in_words(count(*), 'job is held', 'jobs are held'),
        figi_private.duration_in_words(figi_private.seconds_since(min(j.locked_at)))
      )
    end,
    'pgfigi worker unlock lets them go; else they stay for four hours. What they were to fetch is fetched without them.'
  from figi_private.our_jobs() j
  where j.state = 'dead worker'
$$;

revoke execute on function figi_private.check_dead_jobs() from public;
comment on function figi_private.check_dead_jobs() is
  'How many jobs of pgfigi''s tasks are locked by workers that are gone.';
--! EndIncluded functions/check_dead_jobs.sql
--! Included functions/check_failed_jobs.sql
create or replace function figi_private.check_failed_jobs()
returns figi_private.health_measure
language sql
stable
as $$
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'No job has failed for good.'
      else format(
        '%s, the latest %s: %s.',
        figi_private.count_in_words(count(*), 'job has failed for good', 'jobs have failed for good'),
        (array_agg(j.task order by j.id desc))[1],
        coalesce(quote_literal(left((array_agg(j.last_error order by j.id desc))[1], 100)), 'without an error')
      )
    end,
    format(
      'Mend what last_error says; then select graphile_worker.complete_jobs(array[%s]) clears them away.',
      string_agg(j.id::text, ', ' order by j.id) filter (where j.place <= 10)
    )
  from figi_private.our_jobs() with ordinality
    as j (id, task, state, run_at, attempts, max_attempts, locked_at, locked_by, last_error, place)
  where j.state = 'failed'
$$;

revoke execute on function figi_private.check_failed_jobs() from public;
comment on function figi_private.check_failed_jobs() is
  'How many jobs of pgfigi''s tasks have used up their attempts.';
--! EndIncluded functions/check_failed_jobs.sql
--! Included functions/check_replica_lag.sql
create or replace function figi_private.check_replica_lag()
returns figi_private.health_measure
language plpgsql
stable
as $$
declare
  v_lag numeric;
  v_replicas record;
begin
  if pg_is_in_recovery() then
    if exists (select from pg_stat_wal_receiver) and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then
      v_lag := 0;
    else
      v_lag := figi_private.seconds_since(pg_last_xact_replay_timestamp());
    end if;
    return row(
      v_lag, null,
      case
        when v_lag is null then 'This is a replica that has replayed nothing yet.'
        else format('This is a replica, %s behind.', figi_private.duration_in_words(v_lag))
      end,
      'See on the primary whether it streams (pg_stat_replication), and here for what holds up the replay.'
    )::figi_private.health_measure;
  end if;

  select
    count(*) as count,
    count(r.state) as seen,
    max(case when r.replay_lsn = pg_current_wal_lsn() then 0 else extract(epoch from r.replay_lag) end) as lag,
    (array_agg(r.application_name order by r.replay_lag desc nulls last))[1] as name
  into v_replicas
  from pg_stat_replication r
  where r.state is null
    or r.state in ('streaming', 'catchup');
  if v_replicas.count = 0 then
    return row(null, 'ok', 'No replica follows this database.', '')::figi_private.health_measure;
  end if;
  if v_replicas.seen = 0 then
    return row(
      null, 'warn', 'Replicas follow this database, and the owner of health_checks may not see how far they are.',
      format('Let a superuser run: grant pg_monitor to %I', current_user)
    )::figi_private.health_measure;
  end if;
  v_lag := round(coalesce(v_replicas.lag, 0), 1);
  return row(
    v_lag, null,
    format(
      '%s; the slowest, %s, is %s behind.',
      figi_private.count_in_words(v_replicas.count, 'replica follows', 'replicas follow'), v_replicas.name,
      figi_private.duration_in_words(v_lag)
    ),
    'See there for long queries that hold up the replay (max_standby_streaming_delay), and for its disk and network.'
  )::figi_private.health_measure;
end
$$;

revoke execute on function figi_private.check_replica_lag() from public;
comment on function figi_private.check_replica_lag() is
  'Seconds that the slowest replica, or this one, is behind; null where there is none.';
--! EndIncluded functions/check_replica_lag.sql
--! Included functions/bloated_relations.sql
-- An index of which a part was deleted, or that was filled in random order, is full by 70% and more.
create or replace function figi_private.bloated_relations(p_min_bytes bigint)
returns table (relation text, is_index boolean, share numeric, bytes bigint)
language sql
stable
as $$
  with tables as (
    select c.oid, c.relname, c.relnamespace, pg_relation_size(c.oid) as bytes
    from pg_class c
    where c.relkind = 'r'
      and (
        c.relnamespace = 'figi_private'::regnamespace
        or c.oid = to_regclass('public.security_mappings')
        or c.oid in (select t.relid from pg_partition_tree(to_regclass('public.security_mappings')) t)
      )
  )
  select
    t.oid::regclass::text,
    false,
    round(pg_stat_get_dead_tuples(t.oid)::numeric / nullif(pg_stat_get_dead_tuples(t.oid) + pg_stat_get_live_tuples(t.oid), 0), 3),
    t.bytes
  from tables t
  where t.bytes >= p_min_bytes
    and pg_stat_get_dead_tuples(t.oid) >= 10000
  union all
  select
    i.oid::regclass::text,
    true,
    greatest(round(1 - (i.reltuples * (12 + ceil(columns.width / 8.0) * 8) / 0.7)::numeric / i.bytes, 3), 0),
    i.bytes
  from (
    select c.oid, c.reltuples, x.indkey, t.relname, t.relnamespace, pg_relation_size(c.oid) as bytes
    from tables t
    join pg_index x on x.indrelid = t.oid
    join pg_class c on c.oid = x.indexrelid
    join pg_am a on a.oid = c.relam and a.amname = 'btree'
  ) i
  cross join lateral (
    select sum(coalesce(s.avg_width, 8)) as width
    from unnest(i.indkey) as k (attnum)
    join pg_attribute a on a.attrelid = (select x.indrelid from pg_index x where x.indexrelid = i.oid) and a.attnum = k.attnum
    left join pg_stats s
      on s.schemaname = i.relnamespace::regnamespace::text
      and s.tablename = i.relname
      and s.attname = a.attname
      and not s.inherited
  ) columns
  where i.bytes >= greatest(p_min_bytes, 8192)
    and i.reltuples >= 0
    and columns.width is not null
$$;

revoke execute on function figi_private.bloated_relations(bigint) from public;
comment on function figi_private.bloated_relations(bigint) is
  'Of pgfigi''s tables from that size with 10,000 dead rows and more the share that is dead; of its B-trees from that size the share of bytes that its rows would not need, as last analyzed.';
--! EndIncluded functions/bloated_relations.sql
--! Included functions/check_bloat.sql
create or replace function figi_private.check_bloat()
returns figi_private.health_measure
language sql
stable
as $$
  select
    coalesce(worst.share, 0),
    null,
    case
      when worst.relation is null then 'No table or index of pgfigi above 50 MB is bloated.'
      when worst.is_index then format(
        '%s%% of the index %s (%s) is more than its rows need.', round(worst.share * 100), worst.relation, pg_size_pretty(worst.bytes)
      )
      else format('%s%% of the rows of %s (%s) are dead.', round(worst.share * 100), worst.relation, pg_size_pretty(worst.bytes))
    end,
    case
      when worst.is_index then format('Run: reindex index concurrently %s', worst.relation)
      else format(
        'Run: vacuum (analyze) %s; and see that autovacuum is on, and that no transaction has been open for hours.', worst.relation
      )
    end
  from (select) always
  left join (
    select b.*
    from figi_private.bloated_relations(50 * 1024 * 1024) b
    where b.share > 0
    order by b.share desc
    limit 1
  ) worst on true
$$;

revoke execute on function figi_private.check_bloat() from public;
comment on function figi_private.check_bloat() is
  'The worst share of dead rows of a table, or of needless bytes of an index, among pgfigi''s own above 50 MB.';
--! EndIncluded functions/check_bloat.sql
--! Included functions/check_connections.sql
-- Whose sessions they are shows without any right; what kind they are does not.
create or replace function figi_private.check_connections()
returns figi_private.health_measure
language sql
stable
as $$
  select
    round(used.count::numeric / allowed.count, 3),
    null,
    format('%s of %s connections are in use.', used.count, allowed.count),
    'See who holds them (pg_stat_activity); lower the pools (PGFIGI_MAX_CONNECTIONS), put a pooler in between, or raise max_connections.'
  from (
    select count(*) as count
    from pg_stat_activity a
    where coalesce(a.backend_type, 'client backend') = 'client backend'
      and a.datid is not null
  ) used
  cross join (select current_setting('max_connections')::integer as count) allowed
$$;

revoke execute on function figi_private.check_connections() from public;
comment on function figi_private.check_connections() is
  'The share of max_connections that is in use.';
--! EndIncluded functions/check_connections.sql
--! Included functions/check_settings.sql
create or replace function figi_private.check_settings()
returns figi_private.health_measure
language sql
stable
as $$
  with levels as (
    select
      l.place,
      format('pgfigi.health_%s_%s', l.name, level.name) as setting,
      level.name as level,
      l.name as check_name,
      current_setting(format('pgfigi.health_%s_%s', l.name, level.name), true) as value,
      figi_private.health_threshold(format('pgfigi.health_%s_%s', l.name, level.name), level.default_value) as threshold
    from figi_private.health_list() l
    cross join lateral (values ('warn', l.warns_at), ('fail', l.fails_at)) as level (name, default_value)
  ),
  -- As far as alter database and alter role have set them; those of a session cannot be listed.
  kept as (
    select distinct split_part(s.setting, '=', 1) as setting
    from pg_db_role_setting d
    cross join lateral unnest(d.setconfig) as s (setting)
    where d.setdatabase in (0, (select b.oid from pg_database b where b.datname = current_database()))
  ),
  intervals as (
    select
      i.setting,
      i.value,
      figi_private.is_interval(i.value) as is_interval,
      quote_literal(left(i.value, 40)) as quoted
    from (
      select names.setting, current_setting(names.setting, true) as value
      from (values ('pgfigi.cache_max_age'), ('pgfigi.keep_counts')) as names (setting)
    ) i
    where i.value <> ''
  ),
  faults as (
    select
      1 as rank,
      l.place,
      format('%s is no number: %s', l.setting, quote_literal(left(l.value, 40))) as fault,
      'the default counts' as until_then
    from levels l
    where l.value <> ''
      and figi_private.health_threshold(l.setting, null) is null
    union all
    select 2, w.place, format('%s (%s) is above %s (%s)', w.setting, w.threshold, f.setting, f.threshold), null
    from levels w
    join levels f on f.check_name = w.check_name and f.level = 'fail'
    where w.level = 'warn'
      and w.threshold > f.threshold
    union all
    select
      3, 0, format('%s is no interval: %s', i.setting, i.quoted),
      case i.setting when 'pgfigi.cache_max_age' then 'lookups fail' else 'the default counts' end
    from intervals i
    where not i.is_interval
    union all
    select
      4, 0,
      case i.setting
        when 'pgfigi.cache_max_age' then format('%s is negative: %s', i.setting, i.quoted)
        else format('%s is not from 1 hour to 1000 years: %s', i.setting, i.quoted)
      end,
      case i.setting when 'pgfigi.cache_max_age' then 'everything is stale' else 'the nearest of these counts' end
    from intervals i
    where case
      when not i.is_interval then false
      when i.setting = 'pgfigi.cache_max_age' then i.value::interval < interval '0'
      else i.value::interval not between interval '1 hour' and interval '1000 years'
    end
    union all
    select 5, 0, format('%s is no setting of pgfigi', k.setting), 'the default counts'
    from kept k
    where k.setting like 'pgfigi.health\_%'
      and k.setting not in (select l.setting from levels l)
  )
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'The settings pgfigi.* can be read.'
      else string_agg(f.fault, '; ' order by f.rank, f.place, f.fault) || '.'
    end,
    'Set it right with alter database ... set, or take it back with reset'
      || coalesce('; until then ' || string_agg(distinct f.until_then, ' and '), '')
      || '. docs/health.md lists them.'
  from faults f
$$;

revoke execute on function figi_private.check_settings() from public;
comment on function figi_private.check_settings() is
  'How many settings of pgfigi are no number or interval, are outside of what is sensible, contradict each other, or are misspelt.';
--! EndIncluded functions/check_settings.sql
--! Included functions/health_checks.sql
-- The one list: pgfigi health, /readyz, the page and the alerts all read it here. A check that cannot be made, because a lock
-- or a right is missing say, costs its own row and no other. Nothing is written, so that it works on a replica.
create or replace function public.health_checks(whole boolean default false, latest_migration text default null)
returns table (
  name text,
  status text,
  value numeric,
  unit text,
  threshold numeric,
  fails_at numeric,
  sentence text
)
language plpgsql
stable
rows 17
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set lock_timeout to '100ms'
set jit to off
as $$
declare
  v_check record;
  v_measure figi_private.health_measure;
begin
  for v_check in select l.* from figi_private.health_list() l order by l.place loop
    name := v_check.name;
    unit := v_check.unit;
    threshold := figi_private.health_threshold(format('pgfigi.health_%s_warn', name), v_check.warns_at);
    fails_at := figi_private.health_threshold(format('pgfigi.health_%s_fail', name), v_check.fails_at);
    begin
      -- Statements of their own: one expression would be planned with all checks in it.
      case v_check.name
        when 'laws' then v_measure := figi_private.check_laws(coalesce(health_checks.whole, false));
        when 'migrations' then v_measure := figi_private.check_migrations(health_checks.latest_migration);
        when 'worker_seen' then v_measure := figi_private.check_worker_seen();
        when 'oldest_request' then v_measure := figi_private.check_oldest_request();
        when 'gave_up' then v_measure := figi_private.check_gave_up();
        when 'last_answer' then v_measure := figi_private.check_last_answer();
        when 'budget_blocked' then v_measure := figi_private.check_budget_blocked();
        when 'key_refused' then v_measure := figi_private.check_key_refused();
        when 'rate_limited' then v_measure := figi_private.check_rate_limited();
        when 'stale_share' then v_measure := figi_private.check_stale_share();
        when 'negative_share' then v_measure := figi_private.check_negative_share();
        when 'dead_jobs' then v_measure := figi_private.check_dead_jobs();
        when 'failed_jobs' then v_measure := figi_private.check_failed_jobs();
        when 'replica_lag' then v_measure := figi_private.check_replica_lag();
        when 'bloat' then v_measure := figi_private.check_bloat();
        when 'connections' then v_measure := figi_private.check_connections();
        when 'settings' then v_measure := figi_private.check_settings();
      end case;
      value := v_measure.value;
      status := coalesce(
        v_measure.status,
        case
          when value >= fails_at then 'fail'
          when value >= threshold then 'warn'
          else 'ok'
        end
      );
      sentence := concat_ws(' ', v_measure.fact, case when status <> 'ok' then v_measure.remedy end);
    exception
      when others then
        value := null;
        status := 'warn';
        sentence := format('This check could not be made: %s (%s).', sqlerrm, sqlstate);
    end;
    return next;
  end loop;
end
$$;

revoke execute on function public.health_checks(boolean, text) from public;
comment on function public.health_checks(boolean, text) is
  'Whether all is well, one row a check: status is ok, warn or fail, value what was measured in its unit, threshold and fails_at from where it warns and fails (settings pgfigi.health_<name>_warn and _fail), sentence what is and what to do. Takes milliseconds; with whole it reads all rows for the laws. latest_migration is the newest that the caller knows. Never raises, and writes nothing.';
--! EndIncluded functions/health_checks.sql
--! Included functions/unlock_dead_jobs.sql
-- By the worker's public functions. A job that has used up its attempts would stand there as failed, though nothing failed: it
-- is done with, since the requests say what is to be fetched, and the job that is added here fetches it.
create or replace function figi_private.unlock_dead_jobs()
returns bigint
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_dead record;
begin
  select
    count(*) as count,
    array_agg(distinct j.locked_by) as workers,
    array_agg(j.id) filter (where j.attempts >= j.max_attempts) as used_up
  into v_dead
  from figi_private.our_jobs() j
  where j.state = 'dead worker';
  if v_dead.count = 0 then
    return 0;
  end if;
  perform graphile_worker.force_unlock_workers(v_dead.workers);
  if v_dead.used_up is not null then
    perform graphile_worker.complete_jobs(v_dead.used_up);
  end if;
  perform figi_private.add_fetch_job();
  return v_dead.count;
end
$$;

revoke execute on function figi_private.unlock_dead_jobs() from public;
comment on function figi_private.unlock_dead_jobs() is
  'Lets go of the jobs of pgfigi''s tasks that workers which are gone hold locked, and asks for a worker; how many jobs that were.';
--! EndIncluded functions/unlock_dead_jobs.sql
--! Included functions/page_limit.sql
create or replace function figi_private.page_limit(p_limit integer)
returns integer
language sql
immutable
parallel safe
as $$
  select least(greatest(coalesce(p_limit, 100), 0), 500)
$$;

revoke execute on function figi_private.page_limit(integer) from public;
comment on function figi_private.page_limit(integer) is
  'How many rows the page gets that asks for so many: never more than 500, and 100 where it does not say.';
--! EndIncluded functions/page_limit.sql
--! Included functions/request_as_shown.sql
create or replace function figi_private.request_as_shown(p_request figi_private.fetch_requests)
returns table (
  identifier_type text,
  identifier_value text,
  priority text,
  state text,
  requested_at timestamptz,
  not_before timestamptz,
  attempts integer,
  last_error text,
  gave_up_at timestamptz
)
language sql
stable
rows 1
as $$
  select
    p_request.identifier_type,
    p_request.identifier_value,
    figi_private.priority_name(p_request.priority),
    case
      when p_request.gave_up_at is not null then 'gave up'
      when p_request.claimed_until >= clock_timestamp() then 'fetching'
      else 'waiting'
    end,
    p_request.requested_at,
    case when p_request.not_before > clock_timestamp() then p_request.not_before end,
    p_request.attempts::integer,
    p_request.last_error,
    p_request.gave_up_at
$$;

revoke execute on function figi_private.request_as_shown(figi_private.fetch_requests) from public;
comment on function figi_private.request_as_shown(figi_private.fetch_requests) is
  'A request in the words of the page: priority is lookup, warming or refresh, state waiting, fetching or gave up; not_before only where it is still to come.';
--! EndIncluded functions/request_as_shown.sql
--! Included functions/page_requests.sql
-- Two walks along the index of the queue, or one along that of what gave up, as far as rows are asked for.
create or replace function figi_private.page_requests(p_state text, p_limit integer)
returns table (
  identifier_type text,
  identifier_value text,
  priority text,
  state text,
  requested_at timestamptz,
  not_before timestamptz,
  attempts integer,
  last_error text,
  gave_up_at timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select s.*
  from (
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'waiting'
        and r.gave_up_at is null
        and not r.unfiltered
      order by r.priority, r.id
      limit figi_private.page_limit(p_limit)
    )
    union all
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'waiting'
        and r.gave_up_at is null
        and r.unfiltered
      order by r.priority, r.id
      limit figi_private.page_limit(p_limit)
    )
    union all
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'gave_up'
        and r.gave_up_at is not null
      order by r.gave_up_at desc
      limit figi_private.page_limit(p_limit)
    )
  ) listed
  cross join lateral figi_private.request_as_shown(listed.request) s
  order by s.gave_up_at desc nulls last, (listed.request).priority, (listed.request).id
  limit figi_private.page_limit(p_limit)
$$;

revoke execute on function figi_private.page_requests(text, integer) from public;
comment on function figi_private.page_requests(text, integer) is
  'For the page: the requests that are waiting, the most urgent first, or that gave_up, the latest first; at most 500.';
--! EndIncluded functions/page_requests.sql
--! Included functions/page_request_of.sql
create or replace function figi_private.page_request_of(p_identifier_type text, p_identifier_value text)
returns table (
  identifier_type text,
  identifier_value text,
  priority text,
  state text,
  requested_at timestamptz,
  not_before timestamptz,
  attempts integer,
  last_error text,
  gave_up_at timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select s.*
  from figi_private.fetch_requests r
  cross join lateral figi_private.request_as_shown(r) s
  where r.identifier_type = p_identifier_type
    and r.identifier_value = p_identifier_value
  order by r.gave_up_at is not null, r.priority, r.gave_up_at desc, r.id
  limit 1
$$;

revoke execute on function figi_private.page_request_of(text, text) from public;
comment on function figi_private.page_request_of(text, text) is
  'For the page: the request for an identifier that waits, else the one that gave up last; no row where there is neither.';
--! EndIncluded functions/page_request_of.sql
--! Included functions/stale_at.sql
-- Year 9000 is late enough, and every program can read it. A setting that is no interval is told by health_checks; here the
-- default counts.
create or replace function figi_private.stale_at(p_last_fetched_date timestamptz)
returns timestamptz
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select least(
    p_last_fetched_date + least(
      case
        when figi_private.is_interval(nullif(current_setting('pgfigi.cache_max_age', true), '')) then public.cache_max_age()
        else interval '60 days'
      end,
      interval '7000 years'
    ),
    timestamptz '9000-01-01Z'
  )
$$;

revoke execute on function figi_private.stale_at(timestamptz) from public;
comment on function figi_private.stale_at(timestamptz) is
  'When an answer last observed at that instant passes its age by the setting pgfigi.cache_max_age.';
--! EndIncluded functions/stale_at.sql
--! Included functions/page_negatives.sql
create or replace function figi_private.page_negatives(p_limit integer)
returns table (
  identifier_type text,
  identifier_value text,
  last_fetched_date timestamptz,
  stale_at timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select m.identifier_type, m.identifier_value, m.last_fetched_date, figi_private.stale_at(m.last_fetched_date)
  from (
    select n.identifier_type, n.identifier_value, n.last_fetched_date
    from public.security_mappings n
    where n.has_no_results
      and n.end_date is null
    order by n.last_fetched_date desc
    limit figi_private.page_limit(p_limit)
  ) m
  order by m.last_fetched_date desc, m.identifier_type, m.identifier_value
$$;

revoke execute on function figi_private.page_negatives(integer) from public;
comment on function figi_private.page_negatives(integer) is
  'For the page: what OpenFIGI does not know, the latest answers first, and when each goes stale; at most 500.';
--! EndIncluded functions/page_negatives.sql
--! Included functions/ticker_spellings.sql
-- Every spelling is a probe of the index, so there are few: without a separator the class of a share has one letter or two.
create or replace function figi_private.ticker_spellings(p_ticker text)
returns text[]
language sql
immutable
parallel safe
as $$
  with given as (
    select btrim(p_ticker) as ticker, upper(btrim(p_ticker)) as upper_ticker
  ),
  parts as (
    select p.found[1] as root, p.found[2] as class
    from given
    cross join lateral (values
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)[ ./-]+([A-Z0-9]+)$')),
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)([A-Z0-9])$')),
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)([A-Z0-9]{2})$'))
    ) as p (found)
    where p.found is not null
  )
  select array(
    select given.ticker from given
    union
    select given.upper_ticker from given
    union
    select parts.root || separator.sign || parts.class
    from parts
    cross join unnest(array['', '/', '.', '-', ' ']) as separator (sign)
  )
$$;

revoke execute on function figi_private.ticker_spellings(text) from public;
comment on function figi_private.ticker_spellings(text) is
  'How else a ticker may be written: BRK/B, BRK.B, BRK-B, BRKB and BRK B for any of them; at most a dozen.';
--! EndIncluded functions/ticker_spellings.sql
--! Included functions/page_bearers.sql
create or replace function figi_private.page_bearers(p_ticker text, p_limit integer)
returns table (
  identifier_type text,
  identifier_value text,
  ticker text,
  name text,
  start_date timestamptz,
  end_date timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select m.identifier_type, m.identifier_value, m.ticker, m.name, m.start_date, m.end_date
  from unnest(figi_private.ticker_spellings(left(p_ticker, 100))) as spelling (ticker)
  cross join lateral (
    select b.*
    from public.security_mappings b
    where b.ticker collate "C" = spelling.ticker collate "C"
    limit figi_private.page_limit(p_limit)
  ) m
  order by
    (m.ticker = btrim(p_ticker)) desc,
    (upper(m.ticker) = upper(btrim(p_ticker))) desc,
    (m.end_date is null) desc,
    m.ticker,
    m.start_date desc,
    m.identifier_type,
    m.identifier_value
  limit figi_private.page_limit(p_limit)
$$;

revoke execute on function figi_private.page_bearers(text, integer) from public;
comment on function figi_private.page_bearers(text, integer) is
  'For the page: which identifiers bear or bore a ticker, however it is spelt, those that bear it now first; at most 500.';
--! EndIncluded functions/page_bearers.sql
--! Included functions/page_changes.sql
-- The latest rows by id are those that were recorded last. Only so many are looked at, since the first answer for an
-- identifier that OpenFIGI does not know is no change.
create or replace function figi_private.page_changes(p_limit integer)
returns table (
  identifier_type text,
  identifier_value text,
  changed_at timestamptz,
  kind text,
  from_ticker text,
  to_ticker text,
  name text,
  source text
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select c.identifier_type, c.identifier_value, c.changed_at, c.kind, c.from_ticker, c.to_ticker, c.name, c.source
  from (
    select m.id, m.identifier_type, m.identifier_value, m.start_date
    from public.security_mappings m
    order by m.id desc
    limit 2000
  ) latest
  cross join lateral (
    select p.*
    from figi_private.period_changes p
    where p.identifier_type = latest.identifier_type
      and p.identifier_value = latest.identifier_value
      and p.changed_at = latest.start_date
    offset 0
  ) c
  where c.kind is not null
  order by latest.id desc
  limit figi_private.page_limit(p_limit)
$$;

revoke execute on function figi_private.page_changes(integer) from public;
comment on function figi_private.page_changes(integer) is
  'For the page: the changes that were recorded last, latest first, among the latest 2,000 periods; at most 500.';
--! EndIncluded functions/page_changes.sql
--! Included functions/page_jobs.sql
create or replace function figi_private.page_jobs(p_limit integer)
returns table (
  id text,
  task text,
  state text,
  run_at timestamptz,
  attempts integer,
  max_attempts integer,
  locked_at timestamptz,
  last_error text
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
  select j.id::text, j.task, j.state, j.run_at, j.attempts, j.max_attempts, j.locked_at, j.last_error
  from figi_private.our_jobs() j
  order by array_position(array['dead worker', 'failed', 'running', 'ready', 'later'], j.state), j.run_at, j.id
  limit figi_private.page_limit(p_limit)
$$;

revoke execute on function figi_private.page_jobs(integer) from public;
comment on function figi_private.page_jobs(integer) is
  'For the page: the jobs of pgfigi''s tasks, those first that want somebody to look; at most 500.';
--! EndIncluded functions/page_jobs.sql
--! Included functions/page_processes.sql
create or replace function figi_private.page_processes()
returns table (
  kind text,
  host text,
  pid integer,
  version text,
  started_at timestamptz,
  seen_at timestamptz
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select p.kind, p.host, p.pid, p.version, p.started_at, p.seen_at
  from figi_private.processes p
  order by p.kind <> 'worker', p.seen_at desc, p.process
  limit 500
$$;

revoke execute on function figi_private.page_processes() from public;
comment on function figi_private.page_processes() is
  'For the page: the processes that were seen within a day and did not end in order, workers first, the latest seen first; at most 500.';
--! EndIncluded functions/page_processes.sql
--! Included functions/page_runs.sql
create or replace function figi_private.page_runs()
returns table (task text, last_run_at timestamptz)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.labels ->> 'task', max(t.last_at)
  from figi_private.count_totals t
  where t.counter = 'worker_jobs'
    and t.labels ->> 'task' is not null
  group by t.labels ->> 'task'
  order by t.labels ->> 'task'
$$;

revoke execute on function figi_private.page_runs() from public;
comment on function figi_private.page_runs() is
  'For the page: when each task ended last, as workers have counted it.';
--! EndIncluded functions/page_runs.sql
--! Included functions/page_actions.sql
create or replace function figi_private.page_actions(p_limit integer)
returns table (
  acted_at timestamptz,
  who text,
  address text,
  action text,
  subject text,
  outcome text
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select a.acted_at, a.who, a.address, a.action, a.subject, a.outcome
  from figi_private.actions a
  order by a.id desc
  limit figi_private.page_limit(p_limit)
$$;

revoke execute on function figi_private.page_actions(integer) from public;
comment on function figi_private.page_actions(integer) is
  'For the page: what people did by its buttons, latest first; at most 500.';
--! EndIncluded functions/page_actions.sql
--! Included functions/retry_requests.sql
-- Asked anew, and so at the end of the queue: by their ids the oldest are found.
create or replace function figi_private.retry_requests(p_identifier_type text, p_identifier_value text)
returns bigint
language plpgsql
volatile
set plan_cache_mode to force_custom_plan
as $$
declare
  v_retried bigint;
begin
  perform figi_private.lock_queue();
  with again as (
    delete from figi_private.fetch_requests r
    where r.gave_up_at is not null
      and (p_identifier_value is null or (r.identifier_type = p_identifier_type and r.identifier_value = p_identifier_value))
    returning r.identifier_type, r.identifier_value, r.priority, r.unfiltered
  )
  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  select a.identifier_type, a.identifier_value, min(a.priority), bool_or(a.unfiltered)
  from again a
  group by a.identifier_type, a.identifier_value;
  get diagnostics v_retried = row_count;
  if v_retried > 0 then
    perform figi_private.add_fetch_job();
  end if;
  return v_retried;
end
$$;

revoke execute on function figi_private.retry_requests(text, text) from public;
comment on function figi_private.retry_requests(text, text) is
  'Makes the requests for an identifier that gave up wait again, all of them where both are null, and asks for a worker; how many identifiers that are.';
--! EndIncluded functions/retry_requests.sql
--! Included functions/note_action.sql
create or replace function figi_private.note_action(p_who text, p_address text, p_action text, p_subject text, p_outcome text)
returns text
language sql
volatile
as $$
  insert into figi_private.actions (who, address, action, subject, outcome)
  values (left(coalesce(p_who, ''), 200), left(coalesce(p_address, ''), 200), p_action, p_subject, p_outcome)
  returning outcome
$$;

revoke execute on function figi_private.note_action(text, text, text, text, text) from public;
comment on function figi_private.note_action(text, text, text, text, text) is
  'Writes down who did what from where, and what came of it, which it returns.';
--! EndIncluded functions/note_action.sql
--! Included functions/worker_hint.sql
create or replace function figi_private.worker_hint()
returns text
language sql
stable
as $$
  select case
    when exists (
      select
      from figi_private.processes p
      where p.kind = 'worker'
        and p.seen_at > clock_timestamp() - interval '1 minute'
    ) then ''
    else ' No worker runs: start one with pgfigi worker.'
  end
$$;

revoke execute on function figi_private.worker_hint() from public;
comment on function figi_private.worker_hint() is
  'What to add where something waits for a worker and none was seen within a minute; else nothing.';
--! EndIncluded functions/worker_hint.sql
--! Included functions/normalized_or_raise.sql
create or replace function figi_private.normalized_or_raise(p_identifier_type text, p_identifier_value text)
returns text
language plpgsql
stable
as $$
declare
  v_value text := public.normalize_identifier(p_identifier_type, p_identifier_value);
begin
  if v_value is null then
    raise exception '% is not a valid %',
      coalesce(quote_literal(left(p_identifier_value, 40)), 'null'),
      coalesce(nullif(left(p_identifier_type, 40), ''), 'identifier')
      using errcode = 'PF001', hint = 'The type is CUSIP or ISIN, and the check digit must be right. Nothing was done.';
  end if;
  return v_value;
end
$$;

revoke execute on function figi_private.normalized_or_raise(text, text) from public;
comment on function figi_private.normalized_or_raise(text, text) is
  'The identifier as it is stored; raises PF001 for what is none.';
--! EndIncluded functions/normalized_or_raise.sql
--! Included functions/act_fetch.sql
create or replace function figi_private.act_fetch(
  p_who text,
  p_address text,
  p_identifier_type text,
  p_identifier_value text
)
returns text
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_value text := figi_private.normalized_or_raise(p_identifier_type, p_identifier_value);
  v_type text := public.normalize_identifier_type(p_identifier_type);
begin
  -- What gave up within the last minute would not be asked for again.
  if figi_private.retry_requests(v_type, v_value) = 0 then
    perform figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return figi_private.note_action(
    p_who, p_address, 'fetch', format('%s %s', v_type, v_value),
    format('%s %s is fetched again.', v_type, v_value) || figi_private.worker_hint()
  );
end
$$;

revoke execute on function figi_private.act_fetch(text, text, text, text) from public;
comment on function figi_private.act_fetch(text, text, text, text) is
  'For the page: requests an identifier at the highest priority though its answer is fresh, and notes who did it; what came of it in words. Raises PF001 for what is no identifier.';
--! EndIncluded functions/act_fetch.sql
--! Included functions/act_retry.sql
create or replace function figi_private.act_retry(
  p_who text,
  p_address text,
  p_identifier_type text,
  p_identifier_value text
)
returns text
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_value text := figi_private.normalized_or_raise(p_identifier_type, p_identifier_value);
  v_type text := public.normalize_identifier_type(p_identifier_type);
  v_is_retried boolean := figi_private.retry_requests(v_type, v_value) > 0;
  v_is_negative boolean := not v_is_retried and exists (
    select
    from public.security_mappings m
    where m.identifier_type = v_type
      and m.identifier_value = v_value
      and m.end_date is null
      and m.has_no_results
  );
begin
  if v_is_negative then
    perform figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return figi_private.note_action(
    p_who, p_address, 'retry', format('%s %s', v_type, v_value),
    case
      when v_is_retried then format('%s %s waits again.', v_type, v_value) || figi_private.worker_hint()
      when v_is_negative then format('%s %s is fetched again.', v_type, v_value) || figi_private.worker_hint()
      else format('No request for %s %s has given up.', v_type, v_value)
    end
  );
end
$$;

revoke execute on function figi_private.act_retry(text, text, text, text) from public;
comment on function figi_private.act_retry(text, text, text, text) is
  'For the page: makes the request for an identifier that gave up wait again, or where none has and OpenFIGI knows no ticker of it, requests it at the highest priority; and notes who did it; what came of it in words. Raises PF001 for what is no identifier.';
--! EndIncluded functions/act_retry.sql
--! Included functions/act_retry_all.sql
create or replace function figi_private.act_retry_all(p_who text, p_address text)
returns text
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_retried bigint := figi_private.retry_requests(null, null);
begin
  return figi_private.note_action(
    p_who, p_address, 'retry_all', '',
    case
      when v_retried > 0 then
        figi_private.count_in_words(v_retried, 'request waits', 'requests wait') || ' again.' || figi_private.worker_hint()
      else 'No request has given up.'
    end
  );
end
$$;

revoke execute on function figi_private.act_retry_all(text, text) from public;
comment on function figi_private.act_retry_all(text, text) is
  'For the page: makes everything that gave up wait again, and notes who did it; what came of it in words.';
--! EndIncluded functions/act_retry_all.sql
--! Included functions/act_unlock.sql
create or replace function figi_private.act_unlock(p_who text, p_address text)
returns text
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_unlocked bigint := figi_private.unlock_dead_jobs();
begin
  return figi_private.note_action(
    p_who, p_address, 'unlock', '',
    case
      when v_unlocked > 0 then
        figi_private.count_in_words(v_unlocked, 'job of a dead worker is', 'jobs of dead workers are') || ' unlocked.'
      else 'No job is held by a dead worker.'
    end
  );
end
$$;

revoke execute on function figi_private.act_unlock(text, text) from public;
comment on function figi_private.act_unlock(text, text) is
  'For the page: lets go of the jobs that dead workers hold, and notes who did it; what came of it in words.';
--! EndIncluded functions/act_unlock.sql
