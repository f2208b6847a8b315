"""The engine's statements as functions of PostgreSQL: a session plans them once, not with every chunk.

A session plans them when it first calls them, perhaps on tables that are empty, and keeps the plan while a million rows
come in: statistics may say anything. So every table is reached by an index that gives the rows wanted in the order
wanted, and by nothing else: no sort, no bitmap, and no join that could be done the other way round (a subquery or an
array of ids where a join would do). A name carries its version: a migration that changes a body gives it a new name, so
that workers of the old release go on with theirs.
"""

CLAIM, RECORD = "batches_claim_3", "batches_record_2"
CLAIM_CALLS, RECORD_CALLS = "batches_claim_calls_1", "batches_record_calls_1"
APART = "BP001"  # what `RECORD_CALLS` raises

BY_INDEX_ONLY = """\
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan"""

SELECT_PENDING = """\
SELECT its_status, i.id, i.position, i.key::text, i.payload::text, i.attempts, i.forgiven,
      i.crashes::int, i.available_at
      FROM batches_item i WHERE i.status = 'PENDING'"""

# Onwards from a position within a window, retries that are due, or one item by its id.
CREATE_CLAIM = f"""
CREATE FUNCTION {CLAIM}(lane_id bigint, lane_fence bigint, at_most int, after int, upto int, due timestamptz,
  one bigint, idle_ms text)
RETURNS TABLE (batch_status text, id bigint, "position" int, key text, payload text, attempts int, forgiven int,
  crashes int, available_at timestamptz)
LANGUAGE plpgsql
{BY_INDEX_ONLY} AS $$
#variable_conflict use_column
DECLARE
  of_batch text;
  its_status text;
  claimed boolean := false;
BEGIN
  IF idle_ms IS NOT NULL THEN  -- the session is a pooler's: what holds for this transaction is said in it
    PERFORM set_config('idle_in_transaction_session_timeout', idle_ms, true), set_config('lock_timeout', idle_ms, true);
  END IF;
  SELECT l.batch_id, (
    SELECT CASE WHEN EXISTS (SELECT 1 FROM batches_globalpause g WHERE g.in_force) THEN 'HELD' ELSE b.status END
    FROM batches_batch b WHERE b.id = l.batch_id
  ) INTO of_batch, its_status
  FROM batches_checkpoint l WHERE l.id = lane_id AND l.fence = lane_fence;
  IF NOT FOUND THEN
    RETURN;
  ELSIF its_status <> 'RUNNING' THEN
    NULL;
  ELSIF one IS NOT NULL THEN
    RETURN QUERY {SELECT_PENDING} AND i.id = one
      AND i.batch_id || '' = of_batch  -- no index may be used for this
      FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  ELSIF due IS NOT NULL THEN
    due := clock_timestamp();  -- the caller's clock may be wrong
    RETURN QUERY {SELECT_PENDING} AND i.batch_id = of_batch AND i.available_at <= due
      ORDER BY i.available_at, i.position LIMIT at_most FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  ELSE
    RETURN QUERY {SELECT_PENDING} AND i.batch_id = of_batch
      AND i.position > after AND i.position <= upto AND i.available_at IS NULL
      ORDER BY i.position LIMIT at_most FOR UPDATE SKIP LOCKED;
    claimed := FOUND;
  END IF;
  IF NOT claimed THEN
    RETURN QUERY SELECT its_status, NULL::bigint, NULL::int, NULL::text, NULL::text, NULL::int, NULL::int, NULL::int,
      NULL::timestamptz;
  END IF;
END $$
"""  # noqa: S608 - only constants of this module are put in

# The same items, marked as calls that are out, their keys in progress; one whose key is done already `is_remembered`.
# What was claimed is marked by a statement of its own: the one that claims sees nothing written since it began.
CREATE_CLAIM_CALLS = f"""
CREATE FUNCTION {CLAIM_CALLS}(lane_id bigint, lane_fence bigint, at_most int, after int, upto int,
  due timestamptz, idle_ms text, of_lane int, began_at timestamptz, keys_of text)
RETURNS TABLE (batch_status text, id bigint, "position" int, key text, payload text, attempts int, forgiven int,
  crashes int, available_at timestamptz, is_remembered boolean, response text)
LANGUAGE plpgsql
{BY_INDEX_ONLY} AS $$
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
    FROM {CLAIM}(lane_id, lane_fence, at_most, after, upto, due, NULL, idle_ms) c;
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
"""  # noqa: S608 - only constants of this module are put in

# `outcomes` are as `statements.json_row_of` writes them. The sums returned are as before this commit.
CREATE_RECORD = f"""
CREATE FUNCTION {RECORD}(lane_id bigint, lane_fence bigint, outcomes jsonb, remember_for interval,
  lane_position int, lane_careful int, lease interval, more_succeeded int, more_failed int, more_skipped int,
  more_quarantined int, from_status text)
RETURNS TABLE (written bigint, remembered bigint, done bigint, failed bigint)
LANGUAGE plpgsql
{BY_INDEX_ONLY} AS $$
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
"""  # noqa: S608 - only constants of this module are put in

# Calls that succeeded, and the claim of those that take their places. It raises where a transaction of several
# statements is to tell what is the matter, or to write a milestone.
CREATE_RECORD_CALLS = f"""
CREATE FUNCTION {RECORD_CALLS}(lane_id bigint, lane_fence bigint, outcomes jsonb, remember_for interval,
  lane_position int, lease interval, to_remember int, milestone_at bigint, at_most int, after int, upto int,
  idle_ms text, of_lane int, began_at timestamptz, keys_of text)
RETURNS TABLE (done bigint, failed bigint, batch_status text, id bigint, "position" int, key text, payload text,
  attempts int, forgiven int, crashes int, available_at timestamptz, is_remembered boolean, response text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  succeeded int := jsonb_array_length(outcomes);
  recorded record;
BEGIN
  SELECT r.* INTO recorded FROM {RECORD}(lane_id, lane_fence, outcomes, remember_for, lane_position, 0, lease,
    succeeded, 0, 0, 0, 'RUNNING') r;
  IF recorded.written IS DISTINCT FROM succeeded OR recorded.remembered IS DISTINCT FROM to_remember
    OR recorded.done + succeeded >= milestone_at
  THEN
    RAISE EXCEPTION 'not in one statement' USING ERRCODE = '{APART}';
  END IF;
  RETURN QUERY SELECT recorded.done + succeeded, recorded.failed, c.*
    FROM {CLAIM_CALLS}(lane_id, lane_fence, at_most, after, upto, NULL, idle_ms, of_lane, began_at, keys_of) c;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no lane' USING ERRCODE = '{APART}';
  END IF;
END $$
"""  # noqa: S608 - only constants of this module are put in
