--! Previous: sha1:610ff60fa80334d84945a56c31b7a2a4aa84ef12
--! Hash: sha1:58dfbf8a56248868f308baed5010a8fe5d5397a7
--! Message: counting and health

-- The migration to come. `npm run db:watch` applies it at every save, so it has to bear being run again.
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
