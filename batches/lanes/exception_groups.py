"""Which exception of an exception group a failure is judged by: asyncio, anyio and trio wrap whatever fails in them."""

from __future__ import annotations

from collections.abc import Iterator

from batches.lanes.classification import attribute_of, classify

MEMBERS_READ, NAMED_BESIDE = 50, 3


def decisive_member(exception: BaseException) -> BaseException:
    """The member of a group that says most about another try: one that trying again cannot mend before all others, and
    a network's failure last. What is no group is its own."""
    if not isinstance(exception, BaseExceptionGroup):
        return exception
    members = list(members_of(exception))
    return min(members, key=hope) if members else exception


def hope(member: BaseException) -> int:
    """0: another try cannot help; 1: it depends; 2: it may."""
    code = attribute_of(member, "code")
    retryable = classify(member, code if isinstance(code, str) else "", text_of(member)).retryable
    return {False: 0, None: 1, True: 2}[retryable]


def members_of(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions in a group and in the groups within it, at most 50."""
    waiting, count = list(reversed(group.exceptions)), 0
    while waiting and count < MEMBERS_READ:
        member = waiting.pop()
        if isinstance(member, BaseExceptionGroup):
            waiting.extend(reversed(member.exceptions))
        else:
            count += 1
            yield member


def others_beside(group: BaseException, decisive: BaseException) -> str:
    """The members that failed otherwise than the decisive one, in brackets; empty where there are none."""
    if not isinstance(group, BaseExceptionGroup):
        return ""
    own = described(decisive)
    others = dict.fromkeys(text for member in members_of(group) if (text := described(member)) != own)
    more = ", …" if len(others) > NAMED_BESIDE else ""
    return f" (and {', '.join(list(others)[:NAMED_BESIDE])}{more})" if others else ""


def described(member: BaseException) -> str:
    return f"{type(member).__name__}: {text_of(member)}"


def text_of(member: BaseException) -> str:
    try:
        return str(member)[:500]
    except Exception:
        return ""
