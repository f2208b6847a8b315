"""The operator's verbs. Every door (page, REST, command, task) calls these and translates what they answer or raise."""

from __future__ import annotations

from batches.engine.budget import BUDGETS, holding_reason
from batches.operations.adjusting import ADJUSTABLE, adjust
from batches.operations.deciding import DECISIONS, decide
from batches.operations.delivering import resend
from batches.operations.fixing import apply_fix, check_fix, correct, fix_to_apply, preview_fix
from batches.operations.giving_up import give_up
from batches.operations.lookups import get_batch, get_fix, get_rehearsal, get_retry
from batches.operations.pausing_everything import lift, pause_everything
from batches.operations.quarantining import quarantine, release
from batches.operations.rehearsing import LARGEST_SAMPLE, may_rehearse, rehearse
from batches.operations.removing import (
    BYTES_PER_ITEM,
    RemovalPlan,
    archive,
    delete,
    last_removal,
    removable_as,
    removal_plan,
    run_retention,
)
from batches.operations.retrying import (
    DEFAULT_CANARY,
    LARGEST_CANARY,
    LONGEST_WAIT,
    cancel_retry,
    pause_retry,
    resume_retry,
    retry,
)
from batches.operations.running_again import RerunPlan, RowsCopied, rerun_plan, rows_copied, run_again
from batches.operations.steering import (
    VERBS,
    cancel,
    has_failed_items,
    legal_verbs,
    may_retry,
    pause,
    resume,
    start,
    start_stored,
    status_after,
    suggested_budget,
    when_retried,
)
from batches.operations.submission import Submission, chosen_id, free_ending, proposed_id, read_source, staged, submit
from batches.operations.tokens import (
    NewToken,
    TokenRequest,
    check_token,
    create_token,
    get_token,
    revoke_token,
    tokens_for,
)
from batches.operations.verification import verify
from batches.operations.watching import (
    EVERYTHING,
    choose_digest,
    is_watching,
    mail_preference,
    standing_watches,
    stop_all_mail,
    unwatch,
    unwatch_processor,
    watch,
    watch_processor,
)
from batches.waking import sweep_now as sweep

__all__ = [
    "ADJUSTABLE",
    "BUDGETS",
    "BYTES_PER_ITEM",
    "DECISIONS",
    "DEFAULT_CANARY",
    "EVERYTHING",
    "LARGEST_CANARY",
    "LARGEST_SAMPLE",
    "LONGEST_WAIT",
    "VERBS",
    "NewToken",
    "RemovalPlan",
    "RerunPlan",
    "RowsCopied",
    "Submission",
    "TokenRequest",
    "adjust",
    "apply_fix",
    "archive",
    "cancel",
    "cancel_retry",
    "check_fix",
    "check_token",
    "choose_digest",
    "chosen_id",
    "correct",
    "create_token",
    "decide",
    "delete",
    "fix_to_apply",
    "free_ending",
    "get_batch",
    "get_fix",
    "get_rehearsal",
    "get_retry",
    "get_token",
    "give_up",
    "has_failed_items",
    "holding_reason",
    "is_watching",
    "last_removal",
    "legal_verbs",
    "lift",
    "mail_preference",
    "may_rehearse",
    "may_retry",
    "pause",
    "pause_everything",
    "pause_retry",
    "preview_fix",
    "proposed_id",
    "quarantine",
    "read_source",
    "rehearse",
    "release",
    "removable_as",
    "removal_plan",
    "rerun_plan",
    "resend",
    "resume",
    "resume_retry",
    "retry",
    "revoke_token",
    "rows_copied",
    "run_again",
    "run_retention",
    "staged",
    "standing_watches",
    "start",
    "start_stored",
    "status_after",
    "stop_all_mail",
    "submit",
    "suggested_budget",
    "sweep",
    "tokens_for",
    "unwatch",
    "unwatch_processor",
    "verify",
    "watch",
    "watch_processor",
    "when_retried",
]
