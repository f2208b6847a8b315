"""Messages that every operations team meets: which category each is of, and whether it is worth another try."""

from __future__ import annotations

import socket
import ssl

import pytest
from django.db import OperationalError

from batches.lanes.classification import classify


class DriverError(Exception):
    def __init__(self, message: str = "", **hung: object) -> None:
        super().__init__(message)
        self.__dict__.update(hung)


CODED = [
    ("rate_limit", "429 Too Many Requests"),
    (
        "rate_limit",
        "An error occurred (SlowDown) when calling the PutObject operation: Please reduce your request rate.",
    ),
    ("rate_limit", "An error occurred (ProvisionedThroughputExceededException) when calling the PutItem operation"),
    ("rate_limit", "(1040, 'Too many connections')"),
    ("rate_limit", "ORA-12519: TNS:no appropriate service handler found"),
    ("rate_limit", "SQLSTATE[53300]: sorry"),
    ("timeout", "504 Gateway Time-out"),
    ("timeout", "('HYT00', '[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0)')"),
    ("timeout", "ORA-12170: TNS:Connect timeout occurred"),
    ("network", "[Errno -2] Name or service not known"),
    ("network", "[Errno -3] Temporary failure in name resolution"),
    ("network", "<urlopen error [Errno 11001] getaddrinfo failed>"),
    ("network", "[Errno 32] Broken pipe"),
    ("network", "(2013, 'Lost connection to MySQL server during query')"),
    ("network", "ORA-12541: TNS:no listener"),
    ("network", "SQLSTATE 08006: the server closed the connection"),
    ("upstream", "503 Service Unavailable"),
    ("upstream", "502 Bad Gateway\n<html>"),
    ("upstream", "push failed: 500 Internal Server Error"),
    ("upstream", "(1290, 'The MySQL server is running with the --read-only option')"),
    ("upstream", "ORA-16000: database or pluggable database open for read-only access"),
    ("auth", "403 Forbidden"),
    ("auth", "401 Unauthorized for url https://x"),
    ("auth", "Tunnel connection failed: 407 Proxy Authentication Required"),
    ("auth", "An error occurred (RequestTimeTooSkewed) when calling the ListBuckets operation"),
    ("auth", "An error occurred (ExpiredToken) when calling the GetObject operation"),
    ("auth", "ORA-01017: invalid username/password; logon denied"),
    ("not_found", "404 Not Found"),
    ("not_found", "<Response [404]>"),
    ("not_found", "An error occurred (NoSuchKey) when calling the GetObject operation"),
    ("validation", "413 Request Entity Too Large"),
    ("validation", "(1366, \"Incorrect string value: '\\\\xF0\\\\x9F' for column 'note'\")"),
    ("validation", "ORA-12899: value too large for column"),
    ("resource", "[Errno 30] Read-only file system: '/spool/1.pdf'"),
    ("resource", "ORA-01653: unable to extend table ORDERS"),
    ("defect", "(1054, \"Unknown column 'sku' in 'field list'\")"),
    ("defect", "ORA-00942: table or view does not exist"),
]


@pytest.mark.parametrize(("category", "text"), CODED, ids=[text[:50] for _, text in CODED])
def test_a_code_in_the_message_says_what_it_is(category: str, text: str) -> None:
    found = classify(RuntimeError(text), "", text)
    assert (found.category, found.classified_by) == (category, "code")


@pytest.mark.parametrize(
    "text",
    [
        "1205 (HY000): Lock wait timeout exceeded; try restarting transaction",
        "ERROR 1213 (40001): Deadlock found when trying to get lock",
        "ORA-00060: deadlock detected while waiting for resource",
        "423 Locked",
    ],
)
def test_a_lock_is_a_conflict_that_passes(text: str) -> None:
    found = classify(RuntimeError(text), "", text)
    assert (found.category, found.retryable) == ("conflict", True)


OF_DATABASES = [
    ("rate_limit", "FATAL:  sorry, too many clients already"),
    ("rate_limit", "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"),
    ("rate_limit", "ERROR:  no more connections allowed (max_client_conn)"),
    ("upstream", "cannot execute UPDATE in a read-only transaction"),
    ("conflict", "canceling statement due to lock timeout"),
    ("conflict", "could not serialize access due to concurrent update"),
    ("network", "server closed the connection unexpectedly"),
    ("network", 'could not translate host name "db" to address: Name or service not known'),
    ("network", "FATAL:  the database system is starting up"),
]


@pytest.mark.parametrize(("category", "text"), OF_DATABASES, ids=[text[:50] for _, text in OF_DATABASES])
def test_what_a_databases_own_exception_says_is_worth_another_try(category: str, text: str) -> None:
    found = classify(OperationalError(text), "", text)
    assert (found.category, found.retryable, found.classified_by) == (category, True, "class")


@pytest.mark.parametrize(
    ("state", "category"),
    [
        ("53300", "rate_limit"),
        ("25006", "upstream"),
        ("57P03", "upstream"),
        ("08006", "network"),
        ("53100", "resource"),
        ("42501", "auth"),
        ("42P01", "defect"),
        ("55P03", "conflict"),
    ],
)
def test_each_driver_hangs_its_state_under_a_name_of_its_own(state: str, category: str) -> None:
    assert classify(DriverError(sqlstate=state)).category == category
    assert classify(DriverError(pgcode=state)).category == category
    assert classify(DriverError(errno=2013)).category == "network"


PROSE = [
    ("rate_limit", "sorry, too many clients already"),
    ("rate_limit", "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"),
    ("upstream", "cannot execute INSERT in a read-only transaction"),
    ("upstream", "READONLY You can't write against a read only replica."),
    ("auth", "The difference between the request time and the server's is too large: RequestTimeTooSkewed"),
    ("auth", "request time too skewed"),
    ("timeout", "canceling statement due to statement timeout"),
    ("network", "write: broken pipe"),
    ("network", "getaddrinfo failed"),
    ("network", "curl: (6) Could not resolve host: api.example.com"),
    ("network", "dial tcp: lookup erp.example.com: no such host"),
    ("network", "javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure"),
    ("network", "tls: handshake failure"),
    ("resource", "could not extend file: No space left on device"),
    ("resource", "mkdir /spool: read-only file system"),
    ("resource", "attempt to write a readonly database"),
    ("validation", "'utf-8' codec can't decode byte 0xff in position 0"),
    ("conflict", "Lock wait timeout exceeded; try restarting transaction"),
    ("conflict", 'duplicate key value violates unique constraint "shop_sku_key"'),
    ("conflict", "UNIQUE constraint failed: shop_product.sku"),
    ("conflict", "Duplicate entry 'A-1' for key 'sku'"),
    ("conflict", "Violation of UNIQUE KEY constraint 'UQ_sku'. Cannot insert duplicate key in object 'dbo.product'."),
    ("conflict", "E11000 duplicate key error collection: shop.product index: sku_1"),
]


@pytest.mark.parametrize(("category", "text"), PROSE, ids=[text[:50] for _, text in PROSE])
def test_prose_gives_a_category_and_no_further_try(category: str, text: str) -> None:
    found = classify(RuntimeError(text), "", text)
    assert (found.category, found.retryable, found.classified_by) == (category, None, "message")


@pytest.mark.parametrize(
    "text",
    [
        "500 pieces are missing",
        "423 locked accounts found",
        "order 503: service unavailable on Sundays",
        "409 conflicts with 410",
        "the read-only field price was changed",
        "the customer's connection is closed",
    ],
)
def test_numbers_and_words_about_something_else_say_nothing(text: str) -> None:
    assert classify(RuntimeError(text), "", text).category == "unknown"


def test_a_number_that_tls_shares_with_the_system_is_no_code() -> None:
    for number in (1, 5):
        error = ssl.SSLError(number, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
        assert classify(error, "", str(error)).category == "network"
    assert classify(socket.gaierror(-2, "Name or service not known")).category == "network"
