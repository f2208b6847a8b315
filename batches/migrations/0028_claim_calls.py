"""Calls to the outside are claimed and marked by one function.

Their items were marked RUNNING, their keys held and looked up by a statement each, in round trips of their own.
"""

from django.db import migrations

CREATE_CLAIM_CALLS = """
CREATE FUNCTION batches_claim_calls_1(lane_id bigint, lane_fence bigint, at_most int, after int, upto int,
  due timestamptz, idle_ms text, of_lane int, began_at timestamptz, keys_of text)
RETURNS TABLE (batch_status text, id bigint, "position" int, key text, payload text, attempts int, forgiven int,
  crashes int, available_at timestamptz, is_remembered boolean, response text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  its_status text;
  ids bigint[]; places int[]; keys text[]; payloads text[]; tried int[]; forgave int[]; crashed int[];
  due_at timestamptz[];
  hashes bytea[];
  held bigint;
BEGIN
  SELECT min(c.batch_status), array_agg(c.id), array_agg(c.position), array_agg(c.key), array_agg(c.payload),
    array_agg(c.attempts), array_agg(c.forgiven), array_agg(c.crashes), array_agg(c.available_at)
    INTO its_status, ids, places, keys, payloads, tried, forgave, crashed, due_at
    FROM batches_claim_3(lane_id, lane_fence, at_most, after, upto, due, NULL, idle_ms) c;
  IF its_status IS NULL THEN
    RETURN;
  ELSIF ids[1] IS NOT NULL THEN
    UPDATE batches_item i SET status = 'RUNNING', lane = of_lane, claimed_at = began_at, started_at = began_at,
      available_at = NULL WHERE i.id = ANY (ids);
  END IF;
  IF ids[1] IS NOT NULL AND keys_of IS NOT NULL THEN
    hashes := ARRAY(SELECT sha256(convert_to(keys_of || ':' || k || ':process', 'UTF8')) FROM unnest(keys) AS k);
    INSERT INTO batches_idempotencyrecord (key, request_hash, state, created_at)
      SELECT h, '', 'IN_PROGRESS', began_at FROM unnest(hashes) AS h ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held = cardinality(ids) THEN
      hashes := NULL;  -- none was there before
    END IF;
  END IF;
  RETURN QUERY SELECT its_status, c.id, c.position, c.key, c.payload, c.attempts, c.forgiven, c.crashes, c.available_at,
    r.key IS NOT NULL, coalesce(r.response::text, 'null')
    FROM unnest(ids, places, keys, payloads, tried, forgave, crashed, due_at) WITH ORDINALITY
      AS c(id, "position", key, payload, attempts, forgiven, crashes, available_at, n)
    LEFT JOIN batches_idempotencyrecord r ON r.key = hashes[c.n] AND r.state = 'DONE'
      AND r.expires_at > clock_timestamp();
END $$
"""


def create_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_CLAIM_CALLS)


def drop_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS batches_claim_calls_1")


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0027_quotas"),
    ]

    operations = [
        migrations.RunPython(create_function, drop_function),
    ]
