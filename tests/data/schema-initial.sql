-- The part of Coder's schema that the seed touches, as in the first release with these tables (Postgres 13 or newer).
create type ai_provider_type as enum ('openai', 'anthropic');
create type audit_action as enum ('create', 'write', 'delete', 'start', 'stop', 'login', 'logout', 'register',
                                  'request_password_reset', 'connect', 'disconnect', 'open', 'close');
create type resource_type as enum ('organization', 'template', 'user', 'workspace', 'ai_provider', 'ai_provider_key');

create table dbcrypt_keys (
  number             integer not null primary key,
  active_key_digest  text unique,
  revoked_key_digest text unique,
  created_at         timestamptz default current_timestamp,
  revoked_at         timestamptz,
  test               text not null
);

create table ai_providers (
  id              uuid not null default gen_random_uuid() primary key,
  type            ai_provider_type not null,
  name            text not null,
  display_name    text,
  enabled         boolean not null default true,
  deleted         boolean not null default false,
  base_url        text not null,
  settings        text,
  settings_key_id text references dbcrypt_keys (active_key_digest),
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint ai_providers_name_check check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);
create unique index ai_providers_name_unique on ai_providers (name) where deleted = false;
create index idx_ai_providers_enabled on ai_providers (enabled) where deleted = false;

create table ai_provider_keys (
  id             uuid not null default gen_random_uuid() primary key,
  provider_id    uuid not null references ai_providers (id) on delete cascade,
  api_key        text not null,
  api_key_key_id text references dbcrypt_keys (active_key_digest),
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
create index idx_ai_provider_keys_provider_id on ai_provider_keys (provider_id);

create table audit_logs (
  id                uuid not null primary key,
  "time"            timestamptz not null,
  user_id           uuid not null,
  organization_id   uuid not null,
  ip                inet,
  user_agent        varchar(256),
  resource_type     resource_type not null,
  resource_id       uuid not null,
  resource_target   text not null,
  action            audit_action not null,
  diff              jsonb not null,
  status_code       integer not null,
  additional_fields jsonb not null,
  request_id        uuid not null,
  resource_icon     text not null
);
