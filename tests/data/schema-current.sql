-- What later releases added to schema-initial.sql: seven labels and the icon column.
alter type ai_provider_type add value 'azure';
alter type ai_provider_type add value 'bedrock';
alter type ai_provider_type add value 'google';
alter type ai_provider_type add value 'openai-compat';
alter type ai_provider_type add value 'openrouter';
alter type ai_provider_type add value 'vercel';
alter type ai_provider_type add value 'copilot';
alter table ai_providers add column icon text not null default '';
