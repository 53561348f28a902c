CREATE OR REPLACE FUNCTION pg_temp.havre_hash(value text) RETURNS text LANGUAGE sql STABLE STRICT
  AS $$ SELECT encode(sha256(convert_to(current_setting('havre.scrub_key') || ':' || value, 'UTF8')), 'hex') $$;
CREATE OR REPLACE FUNCTION pg_temp.havre_number(value text, salt text, bound int) RETURNS int LANGUAGE sql STABLE STRICT
  AS $$ SELECT (('x' || left(pg_temp.havre_hash(salt || value), 7))::bit(28)::int % bound) $$;
CREATE OR REPLACE FUNCTION pg_temp.havre_name(value text) RETURNS text LANGUAGE sql STABLE STRICT
  AS $$ SELECT (ARRAY['Alba', 'Bruno', 'Celia', 'Darius', 'Elin', 'Fabio', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Katia', 'Levin', 'Mira', 'Nils', 'Olga', 'Pablo', 'Quirin', 'Rosa', 'Silas', 'Tilda', 'Udo', 'Vera', 'Willem', 'Xenia', 'Yann', 'Zoe'])[1 + pg_temp.havre_number(value, 'first', 26)] || ' ' ||
  (ARRAY['Aldermoor', 'Birkfeld', 'Castelrond', 'Dunwater', 'Eichgrund', 'Fontclair', 'Grauberg', 'Hollowby', 'Isselmark', 'Juniperus', 'Kaltbach', 'Lindholt', 'Marrowick', 'Nordhain', 'Ostervale', 'Pinegard', 'Quellmann', 'Rosenfurt', 'Steinvik', 'Tannhof', 'Ulmental', 'Valbrook', 'Weidengrund', 'Yarrowell', 'Zedernholm'])[1 + pg_temp.havre_number(value, 'last', 25)] $$;
BEGIN;
ALTER TABLE "public"."readers" DISABLE TRIGGER "remember";
TRUNCATE "public"."audit";
DO $forget$ BEGIN ALTER TABLE "public"."audit" ALTER COLUMN "old_name" TYPE text; EXCEPTION WHEN feature_not_supported THEN
  RAISE WARNING 'column public.audit.old_name keeps its statistics until the table has rows and is analyzed: a view reads it'; END $forget$;
UPDATE "public"."readers" SET
  "address" = (1 + pg_temp.havre_number("address"::text, 'house', 199))::text || ' rue des Exemples, ' || lpad((1 + pg_temp.havre_number("address"::text, 'town', 98))::text, 2, '0') || '999 Villefictive',
  "born" = date_trunc('year', "born")::date,
  "email" = 'reader-' || left(pg_temp.havre_hash("email"::text), 17) || '@example.invalid',
  "full_name" = left(pg_temp.havre_name("full_name"::text), 40),
  "letter" = NULL,
  "nick" = pg_temp.havre_hash("nick"::text),
  "number" = ('x' || left(pg_temp.havre_hash("number"::text), 15))::bit(60)::bigint,
  "phone" = '+3319900' || lpad(pg_temp.havre_number("phone"::text, 'phone', 10000)::text, 4, '0'),
  "profile" = '{"it''s": "fixed"}'::jsonb,
  "seen_ip" = ('192.0.2.' || (1 + pg_temp.havre_number("seen_ip"::text, 'ip', 254))::text)::inet,
  "session" = left(pg_temp.havre_hash("session"::text), 32)::uuid,
  "small" = ('x' || left(pg_temp.havre_hash("small"::text), 7))::bit(28)::int;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "public"."readers" ENABLE TRIGGER "remember";
COMMIT;
VACUUM (FULL, ANALYZE) "public"."readers";
REFRESH MATERIALIZED VIEW "public"."directory";
ANALYZE "public"."directory";
