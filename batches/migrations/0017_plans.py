"""What a chunk does reaches every table by an index, whatever the statistics say when it is planned.

A session that planned `batches_claim_1` and `batches_record_1` on empty tables read the whole of them with every chunk
later on. Retries that are due at the same moment are taken from the index in the order of their positions: they were
all read and sorted for each chunk. The functions of earlier releases stay, for workers that still call them.
"""

from django.db import migrations, models

from batches.online_indexes import AddIndexOnline, RemoveIndexOnline

CREATE_CLAIM = """
CREATE FUNCTION batches_claim_2(lane_id bigint, lane_fence bigint, at_most int, after int, upto int, due timestamptz,
  one bigint, idle_ms text)
RETURNS TABLE (batch_status text, id bigint, "position" int, key text, payload text, attempts int, forgiven int,
  crashes int, available_at timestamptz)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  of_batch text;
  its_status text;
  claimed boolean := false;
BEGIN
  IF idle_ms IS NOT NULL THEN  -- the session is a pooler's: what holds for this transaction is said in it
    PERFORM set_config('idle_in_transaction_session_timeout', idle_ms, true), set_config('lock_timeout', idle_ms, true);
  END IF;
  SELECT l.batch_id, (SELECT b.status FROM batches_batch b WHERE b.id = l.batch_id) INTO of_batch, its_status
  FROM batches_checkpoint l WHERE l.id = lane_id AND l.fence = lane_fence;
  IF NOT FOUND THEN
    RETURN;
  ELSIF its_status <> 'RUNNING' THEN
    NULL;
  ELSIF one IS NOT NULL THEN
    RETURN QUERY SELECT its_status, i.id, i.position, i.key::text, i.payload::text, i.attempts, i.forgiven,
      i.crashes::int, i.available_at
      FROM batches_item i WHERE i.status = 'PENDING' AND i.id = one
      AND i.batch_id || '' = of_batch  -- no index may be used for this
      FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  ELSIF due IS NOT NULL THEN
    due := clock_timestamp();  -- the caller's clock may be wrong
    RETURN QUERY SELECT its_status, i.id, i.position, i.key::text, i.payload::text, i.attempts, i.forgiven,
      i.crashes::int, i.available_at
      FROM batches_item i WHERE i.status = 'PENDING' AND i.batch_id = of_batch AND i.available_at <= due
      ORDER BY i.available_at, i.position LIMIT at_most FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  ELSE
    RETURN QUERY SELECT its_status, i.id, i.position, i.key::text, i.payload::text, i.attempts, i.forgiven,
      i.crashes::int, i.available_at
      FROM batches_item i WHERE i.status = 'PENDING' AND i.batch_id = of_batch
      AND i.position > after AND i.position <= upto AND i.available_at IS NULL
      ORDER BY i.position LIMIT at_most FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  END IF;
  IF NOT claimed THEN
    RETURN QUERY SELECT its_status, NULL::bigint, NULL::int, NULL::text, NULL::text, NULL::int, NULL::int, NULL::int,
      NULL::timestamptz;
  END IF;
END $$
"""

CREATE_RECORD = """
CREATE FUNCTION batches_record_2(lane_id bigint, lane_fence bigint, outcomes jsonb, remember_for interval,
  lane_position int, lane_careful int, lease interval, more_succeeded int, more_failed int, more_skipped int,
  more_quarantined int, from_status text)
RETURNS TABLE (written bigint, remembered bigint, done bigint, failed bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH outcome AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(outcomes) AS o(id bigint, remember text, status text, attempts int, forgiven int,
      lane int, result text, message text, code text, available_at timestamptz, failed_at timestamptz,
      started_at timestamptz, finished_at timestamptz)
  ), written AS (
    UPDATE batches_item i SET status = o.status, attempts = o.attempts, forgiven = o.forgiven, lane = o.lane,
      result = o.result::jsonb, message = coalesce(o.message, ''), code = coalesce(o.code, ''),
      available_at = clock_timestamp() + (o.available_at - o.finished_at),
      failed_at = o.failed_at, started_at = o.started_at, finished_at = o.finished_at,
      claimed_at = NULL
    FROM outcome o
    WHERE i.id = ANY (ARRAY(SELECT id FROM outcome)) AND i.id = o.id AND i.status = from_status RETURNING 1
  ), remembered AS (
    INSERT INTO batches_idempotencyrecord AS r (key, request_hash, state, response, created_at, expires_at)
    SELECT decode(o.remember, 'hex'), '', 'DONE', o.result::jsonb, clock_timestamp(), clock_timestamp() + remember_for
    FROM outcome o WHERE o.remember IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET request_hash = '', state = 'DONE', response = excluded.response,
      created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE r.expires_at <= clock_timestamp() OR (from_status = 'RUNNING' AND r.state = 'IN_PROGRESS') RETURNING 1
  ), lane AS (
    UPDATE batches_checkpoint l SET position = lane_position, careful = lane_careful, in_flight_id = NULL,
      sequence = l.sequence + 1, succeeded = l.succeeded + more_succeeded, failed = l.failed + more_failed,
      skipped = l.skipped + more_skipped, quarantined = l.quarantined + more_quarantined,
      saved_at = clock_timestamp(), lease_expires_at = clock_timestamp() + lease
    WHERE l.id = lane_id AND l.fence = lane_fence RETURNING l.batch_id
  )
  SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM remembered),
    sum(c.succeeded + c.failed + c.skipped + c.quarantined)::bigint, sum(c.failed + c.quarantined)::bigint
  FROM batches_checkpoint c WHERE c.batch_id = (SELECT lane.batch_id FROM lane) GROUP BY c.batch_id;
END $$
"""


def create_functions(apps, schema_editor):
    """The chunk's two statements, planned once a session; again where an interrupted migration has made them."""
    drop_functions(apps, schema_editor)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_CLAIM)
        schema_editor.execute(CREATE_RECORD)


def drop_functions(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS batches_claim_2, batches_record_2")


class Migration(migrations.Migration):
    atomic = False  # the index is built while items are written
    dependencies = [("batches", "0016_removal")]

    operations = [
        RemoveIndexOnline(model_name="item", name="item_waiting"),
        AddIndexOnline(
            model_name="item",
            index=models.Index(
                condition=models.Q(("available_at__isnull", False)),
                fields=["batch", "available_at", "position"],
                name="item_waiting",
            ),
        ),
        migrations.RunPython(create_functions, drop_functions),
    ]
