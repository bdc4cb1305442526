-- Turns public.security_mappings into a table partitioned by hash of the identifier, with its rows, laws, comments and
-- rights. Below some hundred million rows it makes lookups slower: see docs/scaling.md first. Nobody may use the database
-- meanwhile; take a backup, and run it as the owner or as a superuser (everything stays the owner's), in one transaction:
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -v partitions=16 -1 -f docs/partitioning.sql
--
-- PostgreSQL names functions and views by their numbers, so what reads the table is taken down and put up again as it was.
-- Where something of yours depends on pgfigi, it stops and names it. Later migrations of pgfigi apply as ever.

select pg_catalog.set_config('pgfigi.partitions', :'partitions', true);

do $$
declare
  v_path constant text := pg_catalog.current_setting('search_path');
  v_table constant oid := 'public.security_mappings'::regclass;
  v_partitions constant integer := current_setting('pgfigi.partitions')::integer;
  v_foreign text;
  v_object record;
  v_sql text;
  v_left integer;
  v_before integer;
  v_acl constant aclitem[] := (select c.relacl from pg_class c where c.oid = v_table);
  v_owner constant name := (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = v_table);
begin
  -- Bare names below are PostgreSQL's own, whatever the search_path, and what is put up again is named in full.
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  if (select c.relkind from pg_class c where c.oid = v_table) = 'p' then
    raise exception 'public.security_mappings is partitioned already';
  end if;

  -- Everything that depends on the table, on its row type, or on what does.
  create temporary table dependents on commit drop as
  with recursive dependent (classid, objid) as (
    select 'pg_class'::regclass::oid, v_table
    union
    select
      case when r.oid is not null then 'pg_class'::regclass::oid else d.classid end,
      coalesce(r.ev_class, d.objid)
    from dependent f
    join pg_depend d
      on (d.refclassid = f.classid and d.refobjid = f.objid)
      or (
        f.classid = 'pg_class'::regclass
        and d.refclassid = 'pg_type'::regclass
        and d.refobjid in (
          select t.oid from pg_type t where t.typrelid = f.objid
          union all
          select t.typarray from pg_type t where t.typrelid = f.objid
        )
      )
    left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where d.classid in ('pg_proc'::regclass, 'pg_rewrite'::regclass)
  )
  select
    f.classid,
    f.objid,
    case when f.classid = 'pg_proc'::regclass then f.objid::regprocedure::text else f.objid::regclass::text end as name,
    case
      when f.classid = 'pg_proc'::regclass then pg_get_functiondef(f.objid)
      else format('create view %s as %s', f.objid::regclass, pg_get_viewdef(f.objid))
    end as definition,
    obj_description(f.objid, case when f.classid = 'pg_proc'::regclass then 'pg_proc' else 'pg_class' end) as comment,
    coalesce(p.proacl, c.relacl) as acl,
    coalesce(p.proowner, c.relowner) as owner,
    false as is_up
  from dependent f
  left join pg_proc p on f.classid = 'pg_proc'::regclass and p.oid = f.objid
  left join pg_class c on f.classid = 'pg_class'::regclass and c.oid = f.objid
  where f.objid <> v_table;

  select string_agg(distinct d.name, ', ')
  into v_foreign
  from dependents d
  where d.owner <> (select c.relowner from pg_class c where c.oid = v_table)
    or (d.classid = 'pg_class'::regclass and d.objid not in (
      'public.current_mappings'::regclass, 'public.mapping_periods'::regclass,
      'figi_private.period_answers'::regclass, 'figi_private.recorded_periods'::regclass,
      'figi_private.period_changes'::regclass
    ));
  if v_foreign is not null then
    raise exception 'something that is not pgfigi''s depends on it: %', v_foreign
      using hint = 'Drop it, run this again, and create it anew.';
  end if;

  -- Down, in whatever order it goes.
  loop
    v_before := (select count(*) from dependents d where not d.is_up);
    exit when v_before = 0;
    for v_object in select d.* from dependents d where not d.is_up loop
      begin
        execute format(
          'drop %s %s', case when v_object.classid = 'pg_proc'::regclass then 'routine' else 'view' end, v_object.name
        );
        update dependents d set is_up = true where d.objid = v_object.objid and d.classid = v_object.classid;
      exception
        when dependent_objects_still_exist then null;
      end;
    end loop;
    v_left := (select count(*) from dependents d where not d.is_up);
    if v_left = v_before then
      raise exception 'these cannot be taken down: %', (select string_agg(d.name, ', ') from dependents d where not d.is_up);
    end if;
  end loop;
  update dependents d set is_up = false where true;

  alter table public.security_mappings rename to unpartitioned_mappings;
  alter sequence public.security_mappings_id_seq rename to unpartitioned_mappings_id_seq;
  create table public.security_mappings (
    like public.unpartitioned_mappings including defaults including constraints including comments including storage
  ) partition by hash (identifier_value);
  execute format(
    'alter table public.security_mappings alter column id add generated always as identity (start with %s)',
    (select coalesce(max(m.id), 0) + 1 from public.unpartitioned_mappings m)
  );
  alter table public.security_mappings alter column identifier_value set (n_distinct_inherited = -0.9);
  for v_number in 0 .. v_partitions - 1 loop
    execute format(
      'create table public.security_mappings_%s partition of public.security_mappings for values with (modulus %s, remainder %s)',
      v_number, v_partitions, v_number
    );
    execute format(
      'alter table public.security_mappings_%s alter column identifier_value set (n_distinct = -0.9)', v_number
    );
    execute format('alter table public.security_mappings_%s owner to %I', v_number, v_owner);
    -- What default privileges give.
    execute format('revoke all on public.security_mappings_%s from public', v_number);
  end loop;
  execute format('comment on table public.security_mappings is %L', obj_description(v_table, 'pg_class'));
  execute format('alter table public.security_mappings owner to %I', v_owner);
  revoke all on public.security_mappings from public;
  revoke all on sequence public.security_mappings_id_seq from public;
  for v_foreign in
    select format('grant %s on public.security_mappings to %s', a.privilege_type, coalesce(quote_ident(r.rolname), 'public'))
    from aclexplode(v_acl) a
    left join pg_roles r on r.oid = a.grantee
  loop
    execute v_foreign;
  end loop;

  insert into public.security_mappings overriding system value
  select m.* from public.unpartitioned_mappings m;

  -- A primary key has to hold the partition key. That ids are unique, the sequence sees to.
  alter table public.security_mappings
    add constraint security_mappings_pkey_partitioned primary key (id, identifier_value);
  drop table public.unpartitioned_mappings;
  alter table public.security_mappings rename constraint security_mappings_pkey_partitioned to security_mappings_pkey;

  create unique index security_mappings_history
    on public.security_mappings (identifier_type, identifier_value, start_date);
  create unique index security_mappings_one_open_row
    on public.security_mappings (identifier_type, identifier_value)
    where end_date is null;
  create index security_mappings_oldest_fetch
    on public.security_mappings (last_fetched_date)
    where coalesce(end_date, 'infinity') = 'infinity';
  create index security_mappings_recent_starts
    on public.security_mappings using brin (start_date)
    with (pages_per_range = 8, autosummarize = on);
  create index security_mappings_ticker
    on public.security_mappings (ticker collate "C")
    where ticker is not null;
  create index security_mappings_negatives
    on public.security_mappings (last_fetched_date)
    where has_no_results and end_date is null;

  -- Up again, likewise.
  loop
    v_before := (select count(*) from dependents d where not d.is_up);
    exit when v_before = 0;
    for v_object in select d.* from dependents d where not d.is_up loop
      begin
        execute v_object.definition;
        update dependents d set is_up = true where d.objid = v_object.objid and d.classid = v_object.classid;
      exception
        when undefined_function or undefined_table or undefined_object then null;
      end;
    end loop;
    v_left := (select count(*) from dependents d where not d.is_up);
    if v_left = v_before then
      raise exception 'these cannot be put up again: %', (select string_agg(d.name, ', ') from dependents d where not d.is_up);
    end if;
  end loop;

  for v_object in select d.* from dependents d loop
    v_sql := case when v_object.classid = 'pg_proc'::regclass then 'routine ' else '' end || v_object.name;
    execute format(
      'comment on %s %s is %L',
      case when v_object.classid = 'pg_proc'::regclass then 'routine' else 'view' end, v_object.name, v_object.comment
    );
    execute format(
      'alter %s %s owner to %I',
      case when v_object.classid = 'pg_proc'::regclass then 'routine' else 'view' end, v_object.name,
      pg_get_userbyid(v_object.owner)
    );
    execute format('revoke all on %s from public', v_sql);
    for v_foreign in
      select format('grant %s on %s to %s', a.privilege_type, v_sql, coalesce(quote_ident(r.rolname), 'public'))
      from aclexplode(v_object.acl) a
      left join pg_roles r on r.oid = a.grantee
      where a.grantee <> v_object.owner
    loop
      execute v_foreign;
    end loop;
  end loop;

  create trigger forbid_overlap_after_insert
    after insert on public.security_mappings
    referencing new table as new_rows
    for each statement
    execute function figi_private.forbid_overlap_after_insert();
  create trigger forbid_overlap_after_update
    after update on public.security_mappings
    referencing old table as old_rows new table as new_rows
    for each statement
    execute function figi_private.forbid_overlap_after_update();
  -- As many rows as there were: what mapping_counts holds stays true.
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
  perform pg_catalog.set_config('search_path', v_path, true);
end
$$;

analyze public.security_mappings;
