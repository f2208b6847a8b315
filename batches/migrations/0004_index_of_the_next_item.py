"""What a caller saved as `current_index` is the index of the next item.

It was stored as that of the last item looked at, which a lane's position is. Where an ad hoc batch's lane stands on an
item that has its outcome, a run has put it there; elsewhere a caller has.
"""

from django.db import migrations

MOVE_BACK = """
UPDATE batches_checkpoint SET position = position - 1
WHERE position >= 0
  AND EXISTS (SELECT 1 FROM batches_batch b WHERE b.id = batches_checkpoint.batch_id AND b.processor = '')
  AND NOT EXISTS (
    SELECT 1 FROM batches_item i WHERE i.batch_id = batches_checkpoint.batch_id
      AND i.position = batches_checkpoint.position AND i.status NOT IN ('PENDING', 'RUNNING')
  )
"""


class Migration(migrations.Migration):
    dependencies = [("batches", "0003_roles")]

    operations = [migrations.RunSQL(MOVE_BACK, migrations.RunSQL.noop)]
