"""The rights that every door checks, by Django's permission names."""

VIEW = "batches.view_batch"
OPERATE = "batches.operate_batch"
DELETE = "batches.delete_batch"
"""To delete or archive batches: beside superusers, of whoever is given it."""
