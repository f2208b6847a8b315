"""The rights that every door checks, by Django's permission names."""

VIEW = "batches.view_batch"
OPERATE = "batches.operate_batch"
