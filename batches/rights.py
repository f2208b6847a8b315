"""The rights that every door checks, by Django's permission names."""

VIEW = "batches.view_batch"
OPERATE = "batches.operate_batch"
PAUSE_EVERYTHING = "batches.pause_everything"
"""To pause everything and lift that: beside superusers, of whoever is given it."""
DELETE = "batches.delete_batch"
"""To delete or archive batches: beside superusers, of whoever is given it."""
