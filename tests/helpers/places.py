"""Where things are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
SAMPLE = ROOT / "samples" / "airports.csv"
SCHEMA = SAMPLE.with_suffix(".schema.json")
"""What the sample's rows are checked against: 54 of them are wrong."""
CATALOG = ROOT / "examples" / "catalog"
"""A plug-in: the shop that the documentation tells of."""
