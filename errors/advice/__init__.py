"""Advice, from values only: what to do about a batch's failures, and what it should bring. No database."""

from __future__ import annotations

from errors.advice.facts import Advice, Facts, GroupFacts, History, Prediction
from errors.advice.plan import Step, plan
from errors.advice.rules import RULES, advise
from errors.advice.totals import totals

__all__ = ["RULES", "Advice", "Facts", "GroupFacts", "History", "Prediction", "Step", "advise", "plan", "totals"]
