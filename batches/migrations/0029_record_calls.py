"""Calls that succeeded are recorded, and the next ones claimed, by one function: a statement that commits by itself."""

from django.db import migrations

CREATE_RECORD_CALLS = """
CREATE FUNCTION batches_record_calls_1(lane_id bigint, lane_fence bigint, outcomes jsonb, remember_for interval,
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
  SELECT r.* INTO recorded FROM batches_record_2(lane_id, lane_fence, outcomes, remember_for, lane_position, 0, lease,
    succeeded, 0, 0, 0, 'RUNNING') r;
  IF recorded.written IS DISTINCT FROM succeeded OR recorded.remembered IS DISTINCT FROM to_remember
    OR recorded.done + succeeded >= milestone_at
  THEN
    RAISE EXCEPTION 'not in one statement' USING ERRCODE = 'BP001';
  END IF;
  RETURN QUERY SELECT recorded.done + succeeded, recorded.failed, c.*
    FROM batches_claim_calls_1(lane_id, lane_fence, at_most, after, upto, NULL, idle_ms, of_lane, began_at, keys_of) c;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no lane' USING ERRCODE = 'BP001';
  END IF;
END $$
"""


def create_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_RECORD_CALLS)


def drop_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS batches_record_calls_1")


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0028_claim_calls"),
    ]

    operations = [
        migrations.RunPython(create_function, drop_function),
    ]
