"""Files that are parameters of a batch."""

from __future__ import annotations

from django.db import models

from batches.models.batch import Batch


class ParameterFile(models.Model):
    """The content of a file that was given as a parameter: beside its batch, so that any machine's worker has it.

    What it is called and which parameter it is stand in the batch's `params`, under its sha256.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="parameter_files", db_index=False)
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "sha256"], name="parameter_file")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.sha256}"
