--! Previous: sha1:610ff60fa80334d84945a56c31b7a2a4aa84ef12
--! Hash: sha1:c852ad6d06041acfcfbac43861d63492ae9fce5b
--! Message: counting and health

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
    check (kind in ('worker', 'client', 'command', 'page'))
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

-- Which identifiers a ticker stands for, or stood for.
create index security_mappings_ticker
  on public.security_mappings (ticker collate "C")
  where ticker is not null;

-- The negatives, latest first.
create index security_mappings_negatives
  on public.security_mappings (last_fetched_date)
  where has_no_results and end_date is null;
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

-- The triggers first: they keep writers out until the rows that are there have been counted.
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
-- What another session is folding is passed over. At every instant a snapshot sees either the rows or their sums.
--
-- A snapshot older than the rows' deletion would fail, so other levels than read committed leave it to others.
create or replace function figi_private.fold_mapping_counts()
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  with taken as materialized (
    select c.ctid
    from figi_private.mapping_counts c
    limit 100000
    for update skip locked
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
  'Adds up the rows of mapping_counts, to one an hour, without waiting for anybody and without changing a sum; at most 100,000 of them a call.';
--! EndIncluded functions/fold_mapping_counts.sql
--! Included functions/count_after_insert.sql
-- Appends what a statement has changed to mapping_counts: writers never wait for each other there. The plan over a
-- transition table is kept from the session's first call; hashing is right for one row and for a hundred thousand.
--
-- Where nobody keeps house, writers fold: by chance, once in about five thousand rows.
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
  if random() * 5000 < v_rows then
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
  if random() * 5000 < v_rows then
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
  if random() * 5000 < v_rows then
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
--! Included functions/hit_rate.sql
create or replace function figi_private.hit_rate(p_within interval)
returns numeric
language sql
stable
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select round(
    sum(m.count) filter (where m.labels ->> 'status' in ('hit', 'negative'))
      / nullif(sum(m.count) filter (where m.labels ->> 'status' in ('hit', 'negative', 'stale', 'miss')), 0),
    4
  )
  from figi_private.minute_counts m
  where m.counter = 'lookups'
    and m.minute > statement_timestamp() - p_within
$$;

revoke execute on function figi_private.hit_rate(interval) from public;
comment on function figi_private.hit_rate(interval) is
  'Of the lookups counted within that time, the share that was answered from what is known and young enough, negatives included, 0 to 1; invalid identifiers are left out. Null without lookups.';
--! EndIncluded functions/hit_rate.sql
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
  v_counts jsonb := '[]';
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
  insert into figi_private.size_samples (minute, found, negatives, stale, ended, waiting, gave_up)
  select v_minute, m.found, m.negatives, m.stale, m.ended, q.lookup + q.warming + q.refresh, q.gave_up
  from figi_private.mapping_totals() m
  cross join figi_private.queue_totals() q
  on conflict do nothing;

  begin
    v_keep := coalesce(nullif(current_setting('pgfigi.keep_counts', true), '')::interval, v_keep);
  exception
    -- A setting that is no interval must not keep processes from writing their counts: health_checks() tells of it.
    when invalid_datetime_format or datetime_field_overflow then null;
  end;
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
  'At most once a minute, whoever calls: folds mapping_counts, samples how much there is, and forgets counts and samples older than the setting pgfigi.keep_counts (8 days) and processes that have not been seen for a day. Never waits for another session.';
--! EndIncluded functions/keep_house.sql
--! Included functions/record_counts.sql
-- The rows of counts are locked last, until the end of the transaction. A flush that is tried again, since nobody knows
-- whether it was written, is told by its number.
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
  perform figi_private.keep_house();

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
  'A process''s sign of life: p_process is an object with process, kind (worker, client, command, page), host, pid, version, latest_migration and worker_ids. Adds p_counts (see add_counts) unless its flush number p_flush, which rises from 1, was written before: false then. Keeps house. Raises PF002 for what are no counts.';
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
create or replace function figi_private.counts_since(p_since timestamptz, p_bucket interval)
returns table (
  at timestamptz,
  counter text,
  labels jsonb,
  count bigint
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
set jit to off
as $$
  select b.at, b.counter, b.labels, sum(b.count)::bigint
  from (
    select date_bin(p_bucket, m.minute, timestamptz '2000-01-01 00:00+00') as at, m.counter, m.labels, m.count
    from figi_private.minute_counts m
    where m.minute >= date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00+00')
  ) b
  group by b.at, b.counter, b.labels
  order by b.at, b.counter, b.labels
$$;

revoke execute on function figi_private.counts_since(timestamptz, interval) from public;
comment on function figi_private.counts_since(timestamptz, interval) is
  'What was counted since then, the bucket that holds it included, summed over buckets of whole minutes that lie at whole multiples in UTC: at is where a bucket begins. Buckets without counts are left out.';
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
    figi_private.hit_rate(interval '1 hour'),
    figi_private.hit_rate(interval '24 hours'),
    b.used
  from figi_private.mapping_totals() m
  cross join figi_private.queue_totals() q
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
