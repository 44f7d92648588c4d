-- Three roles for ai-provider-seed, with the least privileges in Coder's database:
--
--   ai_provider_seed      for `seed`, the init container: reads the AI providers, their keys and the list of encryption keys;
--                         adds providers, keys and audit rows. It can change and delete nothing.
--   ai_provider_diff      for `diff`, `export` and the controller: the same reads, no writes.
--   ai_provider_resolve   for `resolve`, which a person runs: the same reads; changes providers, replaces their keys, adds
--                         audit rows. It can add and delete no provider. No init container needs it.
--
-- `seed --take-environment=credentials` (or all) changes rows as well as adding them, so it logs in as a member of the first and
-- the third. A controller with --allow-writes needs the first for spec.mode: Seed, the third for decisions by annotation, and
-- for both such a role too:
--
--     create role ai_provider_sync login in role ai_provider_seed, ai_provider_resolve;
-- All read API keys (encrypted, if Coder encrypts them): protect their passwords as you protect Coder's.
--
-- Run it in Coder's database, as a superuser or as the role that owns Coder's tables (which must be allowed to create roles the
-- first time). It is plain SQL for any client:
--
--     psql --dbname coder --set ON_ERROR_STOP=1 --file role.sql
-- The roles cannot log in until you allow it. With a password (psql asks for it and sends only its hash), per role:
--
--     \password ai_provider_seed
--     alter role ai_provider_seed login;
-- with a certificate or a cloud's IAM: `alter role … login` and the grant that the method needs, such as `grant rds_iam to …`.
--
-- You can run it again: it changes no password, and afterwards the roles have exactly the grants below.
-- There are three optional settings. Set them in the same session: psql -c "set …" -f role.sql
--
--     set ai_provider_seed.owner = 'coder';              the role that Coder connects as (default: the owner of its tables)
--     set ai_provider_seed.schema = 'coder';             the schema of its tables        (default: where they are)
--     set ai_provider_seed.default_privileges = 'off';   see below                       (default: on)
--
-- BEFORE CODER'S FIRST START there are no tables to grant anything on. So that the role works as soon as Coder has created
-- them, default privileges are set for the tables that Coder's role creates from now on in this schema. Postgres can do that
-- only for all of them: until you run this file again, ai_provider_seed may read and add rows in every table that Coder
-- creates meanwhile, including users and API keys. (ai_provider_resolve gets nothing before there are tables.) Therefore
--
--   * run this file again after Coder's first start: it revokes the default privileges and everything they gave; or
--   * set ai_provider_seed.default_privileges = 'off', and run this file again right after Coder's first start. In between
--     `seed` finds an empty database and lets Coder start; once there are tables and no grants it stops the pod.
--
-- An upgrade of Coder that replaces one of the tables needs this file again.
--
-- To remove the roles: drop owned by ai_provider_seed, ai_provider_diff, ai_provider_resolve;   in each database, then
--                      drop role ai_provider_seed, ai_provider_diff, ai_provider_resolve;

begin;

do $$
declare
  place   name := nullif(current_setting('ai_provider_seed.schema', true), '');
  owner   name := nullif(current_setting('ai_provider_seed.owner', true), '');
  later   bool := coalesce(nullif(current_setting('ai_provider_seed.default_privileges', true), ''), 'on')::bool;
  absent  text[] := '{}';
  item    record;
begin
  -- The schema of Coder's tables, existing or future, and their owner.
  select coalesce(place, t.nspname), coalesce(owner, t.rolname) into place, owner
    from (values (1)) as always
    left join (select n.nspname, r.rolname
                 from pg_catalog.pg_class c
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                 join pg_catalog.pg_roles r on r.oid = c.relowner
                where c.relname in ('ai_providers', 'schema_migrations') and c.relkind in ('r', 'p')
                  and (place is null or n.nspname = place)
                order by c.relname, pg_catalog.pg_table_is_visible(c.oid) desc
                limit 1) as t on true;
  place := coalesce(place, current_schema(), 'public');
  if owner is null and (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    raise exception 'Coder has no tables in database % yet, so the role that will own them is unknown', current_database()
      using hint = 'Say which role Coder connects as: set ai_provider_seed.owner = ''coder'';';
  end if;
  owner := coalesce(owner, current_user);
  if not pg_catalog.pg_has_role(owner, 'usage') then
    raise exception 'only role % or a superuser can give access to its tables', owner
      using hint = format('Connect as that role, or first: grant %I to %I;', owner, current_user);
  end if;

  for item in select unnest(array['ai_provider_seed', 'ai_provider_diff', 'ai_provider_resolve']) as role loop
    if not exists (select from pg_catalog.pg_roles where rolname = item.role) then
      begin
        execute format('create role %I nologin', item.role);
      exception when duplicate_object or unique_violation then
        null; -- another session has just made it
      end;
    end if;
    -- Every role has these two unless they were revoked from PUBLIC.
    if not has_database_privilege(item.role, current_database(), 'connect') then
      execute format('grant connect on database %I to %I', current_database(), item.role);
    end if;
    if not has_schema_privilege(item.role, place, 'usage') then
      execute format('grant usage on schema %I to %I', place, item.role);
    end if;
  end loop;

  -- Earlier grants, including those by default privileges.
  for item in
    select distinct c.oid::regclass as relation
      from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) as granted
     where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = place)
       and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and granted.grantee in ('ai_provider_seed'::regrole, 'ai_provider_diff'::regrole, 'ai_provider_resolve'::regrole)
  loop
    execute format('revoke all on table %s from ai_provider_seed, ai_provider_diff, ai_provider_resolve', item.relation);
  end loop;

  for item in
    select * from (values
      ('select', 'ai_providers',     'ai_provider_seed, ai_provider_diff, ai_provider_resolve'),
      -- Not needed with --compare-credentials=ignore.
      ('select', 'ai_provider_keys', 'ai_provider_seed, ai_provider_diff, ai_provider_resolve'),
      -- Shows whether Coder encrypts, and with which key: digests and test values, no key.
      ('select', 'dbcrypt_keys',     'ai_provider_seed, ai_provider_diff, ai_provider_resolve'),
      ('insert', 'ai_providers',     'ai_provider_seed'),
      ('insert', 'ai_provider_keys', 'ai_provider_seed, ai_provider_resolve'),
      -- To settle a conflict: updates the row, replaces its keys.
      ('update', 'ai_providers',     'ai_provider_resolve'),
      ('delete', 'ai_provider_keys', 'ai_provider_resolve'),
      -- Not needed with --audit=off.
      ('insert', 'audit_logs',       'ai_provider_seed, ai_provider_resolve')
    ) as needed (privilege, relation, roles)
  loop
    if to_regclass(format('%I.%I', place, item.relation)) is null then
      absent := absent || item.relation;
    else
      execute format('grant %s on table %I.%I to %s', item.privilege, place, item.relation, item.roles);
    end if;
  end loop;

  -- Only some releases of Coder have it: the models behind a Bedrock provider, which are out of date once its region, role or
  -- model changes.
  if to_regclass(format('%I.ai_provider_bedrock_resolved_models', place)) is not null then
    execute format('grant select, delete on table %I.ai_provider_bedrock_resolved_models to ai_provider_resolve', place);
  end if;

  if later and absent <> '{}' then
    execute format('alter default privileges for role %I in schema %I grant select, insert on tables to ai_provider_seed', owner, place);
    execute format('alter default privileges for role %I in schema %I grant select on tables to ai_provider_diff', owner, place);
    raise warning 'ai_provider_seed may read and add to every table that role % creates in schema % from now on', owner, place
      using hint = 'Run this file again after Coder''s first start: that takes it back.';
  else
    execute format('alter default privileges for role %I in schema %I revoke all on tables from ai_provider_seed, ai_provider_diff, ai_provider_resolve', owner, place);
  end if;
  if absent <> '{}' then
    raise notice 'not there yet in schema %: %', place, (select string_agg(distinct t, ', ') from unnest(absent) as t);
  else
    raise notice 'granted on the tables of role % in schema % of database %', owner, place, current_database();
  end if;
  if exists (select from pg_catalog.pg_roles where rolname in ('ai_provider_seed', 'ai_provider_diff', 'ai_provider_resolve') and not rolcanlogin) then
    raise notice 'to let a role log in: \password ai_provider_seed   then: alter role ai_provider_seed login;';
  end if;
end
$$;

commit;
